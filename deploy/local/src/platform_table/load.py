"""Reads and checks `deploy/platform.yaml`; a wrong entry is refused with its line and the reason."""

import functools
from collections.abc import Mapping
from pathlib import Path

from platform_table import located
from platform_table.entry import Entry, Reader
from platform_table.facts import Facts, stated
from platform_table.located import Located, TableError
from platform_table.table import CHECKOUT, IDENTITY, OPERATOR, TABLE, BrokerRules, Platform, Program

__all__ = ["TableError", "load", "platform"]


@functools.cache
def platform() -> Platform:
    """The checkout's own table."""
    return load(TABLE)


def load(path: Path) -> Platform:
    """Read and check the table.

    Raises:
        TableError: `<file>:<line>: <reason>` of the first entry that is wrong.
    """
    shown = str(path.relative_to(CHECKOUT)) if path.is_relative_to(CHECKOUT) else str(path)
    top = located.read(path, shown).only("the table", {"broker", "outside", "programs"})
    outside = {name: said.text(f"outside {name}") for name, said in top["outside"].mapping("outside").items()}
    named = top["programs"].mapping("programs")
    if IDENTITY not in named:
        raise top["programs"].error(f"the table lacks {IDENTITY}")
    reader = Reader({name: Entry.read(name, at) for name, at in named.items()}, outside, stated())
    programs = {name: reader.program(entry) for name, entry in reader.entries.items()}
    for name, at in named.items():
        _check_beside(programs[name], at, programs)
    _check_exchanges(named, programs, reader.facts)
    return Platform(_broker(top["broker"]), outside, programs)


def _broker(said: Located) -> BrokerRules:
    rules = said.only("broker", {"vhost", "retry_delays_seconds", "connector_delivery_limit", "policies"})
    for policy in rules["policies"].items("policies"):
        given = policy.mapping("a policy")
        for key in ("name", "pattern", "apply-to", "definition"):
            if key not in given:
                raise policy.error(f"a policy lacks {key!r}")
    return BrokerRules(
        vhost=rules["vhost"].text("vhost"),
        retry_delays_seconds=tuple(
            delay.number("a delay", 1, 86_400) for delay in rules["retry_delays_seconds"].items("delays")
        ),
        connector_delivery_limit=rules["connector_delivery_limit"].number("the delivery limit", 1, 1000),
        policies=tuple(
            {key: value.plain() for key, value in policy.mapping("a policy").items()}
            for policy in rules["policies"].items("policies")
        ),
    )


def _check_beside(program: Program, at: Located, programs: Mapping[str, Program]) -> None:
    """No two programs have one package, read one command, or are the operator."""
    earlier = list(programs.values())[: list(programs).index(program.name)]
    for other in earlier:
        if program.package and program.package == other.package:
            raise at.error(f"{program.name} and {other.name} have the same package {program.package}")
        if program.kind == other.kind == OPERATOR:
            raise at.error(f"{program.name} and {other.name} are both the operator; the table has one")
    seen = {pair: read.queue for other in earlier for read in other.reads for pair in read.commands()}
    for read in program.reads:
        for exchange, key in read.commands():
            other_queue = seen.setdefault((exchange, key), read.queue)
            if other_queue != read.queue:
                raise at.error(
                    f"{exchange} {key} is a command to one reader, not to {other_queue} and {read.queue}"
                )


def _check_exchanges(named: Mapping[str, Located], programs: Mapping[str, Program], facts: Facts) -> None:
    """A program publishes on every exchange of its own that a proto names."""
    for exchange in facts:
        name = exchange.partition(".")[0]
        if name in programs and exchange not in programs[name].exchanges:
            raise named[name].error(f"protos state messages on {exchange}, which {name} does not publish")
