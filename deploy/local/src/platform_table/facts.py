"""Events as the protos state them: exchange, entity and fact of each published message."""

import functools
import importlib
import pkgutil
from collections import defaultdict
from collections.abc import Mapping

import diwan
from diwan.options.v1 import options_pb2

VERSION = "v1"

Facts = Mapping[str, Mapping[str, frozenset[str]]]
"""Exchange -> entity -> facts: `notary.events` -> `power_of_attorney` -> `submitted`, `approved`, …"""


@functools.cache
def stated() -> Facts:
    """Every fact and command that a generated proto states; a later version of a fact is `<fact>.v2`."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for module in pkgutil.walk_packages(diwan.__path__, "diwan."):
        if not module.name.endswith("_pb2"):
            continue
        for message in importlib.import_module(module.name).DESCRIPTOR.message_types_by_name.values():
            event = message.GetOptions().Extensions[options_pb2.event]
            if event.exchange:
                entity, _, fact = event.key.partition(".")
                found[event.exchange][entity].add(fact.removesuffix(f".{VERSION}"))
    return {
        exchange: {entity: frozenset(names) for entity, names in entities.items()}
        for exchange, entities in found.items()
    }


def routing_key(entity: str, fact: str) -> str:
    """The key that a fact is published with, or the pattern of all facts for `*`."""
    return f"{entity}.{fact}" if "." in fact else f"{entity}.{fact}.{VERSION}"
