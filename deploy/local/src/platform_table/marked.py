"""Parts of hand-written files that are rendered, between two marked lines."""

import json
import re
import tomllib
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from platform_table.table import CHECKOUT, CONNECTOR, INTEGRATOR, SERVICE, Platform, Program, sources

README = CHECKOUT / "README.md"
EVENTS = CHECKOUT / "docs" / "events.md"
VALUES_LOCAL = CHECKOUT / "deploy" / "helm" / "values-local.yaml"
DESCRIBED = CHECKOUT / "docs" / "reference" / "events.asyncapi.json"


def files(platform: Platform) -> dict[Path, str]:
    """The files with their rendered parts replaced; ValueError where a mark is missing."""
    readme = README.read_text(encoding="utf-8")
    readme = between(readme, "diagram", diagram(platform))
    readme = between(readme, "programs", programs(platform))
    values = VALUES_LOCAL.read_text(encoding="utf-8")
    return {
        README: readme,
        EVENTS: between(EVENTS.read_text(encoding="utf-8"), "events", events(platform)),
        VALUES_LOCAL: between(values, "the others", small(platform, _outside(values, "the others"))),
    }


def between(text: str, name: str, lines: Iterable[str]) -> str:
    """The text with these lines between the marks `rendered from deploy/platform.yaml: <name>` and `end of <name>`."""
    before, _, after = _parts(text, name)
    return "".join((before, *(f"{line}\n" for line in lines), after))


def _outside(text: str, name: str) -> str:
    before, _, after = _parts(text, name)
    return before + after


def _parts(text: str, name: str) -> tuple[str, str, str]:
    start = re.search(rf"^.*rendered from deploy/platform\.yaml: {name}\b.*\n", text, re.MULTILINE)
    end = re.search(rf"^.*end of {name}\b.*$", text, re.MULTILINE)
    if not start or not end:
        raise ValueError(f"the marks of {name!r} are missing")
    return text[: start.end()], text[start.end() : end.start()], text[end.start() :]


def diagram(platform: Platform) -> Iterator[str]:
    """The connections between programs as a Mermaid graph."""
    services = " & ".join(platform.services)
    yield "```mermaid"
    yield "flowchart LR"
    yield f"  callers([citizen, officer, bank]) -- gRPC --> {services}"
    yield from (f"  {each.name}([{each.about}]) -- events --> broker" for each in platform.of(INTEGRATOR))
    yield "  subgraph services [services, one store each]"
    yield from (f"    {name}" for name in platform.services)
    yield "  end"
    yield f"  {services} <-- events --> broker[(RabbitMQ)]"
    for service in platform.services:
        if callers := [each.name for each in platform.of(SERVICE) if service in each.calls]:
            yield f"  {' & '.join(callers)} -- gRPC --> {service}"
    for each in platform.of(CONNECTOR):
        yield f"  broker <-- commands, events --> {each.name}[{each.name} connector]"
        yield from (f"  {each.name} --> {name}([{platform.outside[name]}])" for name in each.reaches)
    yield "```"


def programs(platform: Platform) -> Iterator[str]:
    """Services, connectors and the other folders below services/, with a link to each README."""
    yield "| program | what it owns or does |"
    yield "|---|---|"
    linked = [program for program in platform.programs.values() if program.package]
    yield from (f"| {_link(program)} | {program.about} |" for program in linked)
    known = {folder for program in linked if (folder := sources(program.top))}
    for path in sorted(CHECKOUT.glob("services/*/pyproject.toml")):
        if path.parent / "src" not in known:
            about = tomllib.loads(path.read_text(encoding="utf-8"))["project"]["description"]
            yield f"| [{path.parent.name}](services/{path.parent.name}/README.md) | {about} |"


def _link(program: Program) -> str:
    folder = sources(program.top)
    return f"[{program.name}]({folder.parent.relative_to(CHECKOUT)}/README.md)" if folder else program.name


def events(platform: Platform) -> Iterator[str]:
    """Every event and command: what it states, by its proto's comment, and which programs read it."""
    described = json.loads(DESCRIBED.read_text(encoding="utf-8"))["channels"].values()
    yield "| event | what it states | read by |"
    yield "|---|---|---|"
    for exchange in (exchange for program in platform.programs.values() for exchange in program.exchanges):
        for channel in described:
            if channel["bindings"]["amqp"]["exchange"]["name"] == exchange:
                readers = ", ".join(_readers(platform, exchange, channel["address"])) or "nobody yet"
                yield f"| `{exchange}` `{channel['address']}` | {channel['description']} | {readers} |"


def _readers(platform: Platform, exchange: str, key: str) -> Iterator[str]:
    for program in platform.programs.values():
        if any(r.exchange == exchange and fnmatchcase(key, k) for r in program.reads for k in r.keys):
            yield program.name


def small(platform: Platform, written: str) -> Iterator[str]:
    """A line for each program that the hand-written part of the values leaves out: one pod that asks for little."""
    for program in platform.installed:
        if not re.search(rf"^{program.name}:", written, re.MULTILINE):
            yield f"{program.name}: *{'one' if program.kind == SERVICE else 'little'}"
