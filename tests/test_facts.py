"""Every fact of every service is converted to its message by the mapping of the service."""

import importlib
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from types import UnionType

import pytest
from chassis import protojson
from chassis.messaging.headers import owner
from chassis.money import MAX_PIASTRES, piastres
from chassis.times import parse_time, to_datetime
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.money_pb2 import Money
from hypothesis import given, settings
from hypothesis import strategies as st

from .test_contracts import EVENTS, option

ROOT = Path(__file__).resolve().parent.parent
SERVICES = sorted(path.parent.name for path in ROOT.glob("services/*/src/*/facts.py"))
TABLES = {name: importlib.import_module(f"{name}.facts") for name in SERVICES}
FACTS = [(name, fact) for name, table in TABLES.items() for fact in table.MESSAGES]
SIMPLE = {
    str: st.text(max_size=12),
    bool: st.booleans(),
    int: st.integers(-MAX_PIASTRES, MAX_PIASTRES),
    # Messages keep times to the millisecond.
    datetime: st.datetimes(timezones=st.just(UTC)).map(
        lambda time: time.replace(microsecond=time.microsecond // 1000 * 1000)
    ),
}
# Fields whose messages have a narrower range than their type.
BOUNDED = {"reference": st.none() | st.integers(0, 65535)}


def values(kind):
    """Return a strategy for the values of a type annotation."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (UnionType, typing.Union):
        return st.one_of(*(st.none() if each is type(None) else values(each) for each in arguments))
    if origin is tuple:
        return st.lists(values(arguments[0]), max_size=3).map(tuple)
    if origin is Mapping:
        return st.dictionaries(values(arguments[0]), values(arguments[1]), max_size=3)
    if is_dataclass(kind):
        hints = typing.get_type_hints(kind).items()
        return st.builds(
            kind, **{name: BOUNDED[name] if name in BOUNDED else values(hint) for name, hint in hints}
        )
    return st.sampled_from(kind) if issubclass(kind, Enum) else SIMPLE[kind]


def same(value, field, message):
    """Whether a field of a message has the value of a fact."""
    content = getattr(message, field)
    if isinstance(content, Timestamp):
        return to_datetime(content) == value
    if isinstance(content, Money):
        return piastres(content, field) == value
    if isinstance(value, datetime):
        return parse_time(content) == value
    if isinstance(value, Enum):
        number = message.DESCRIPTOR.fields_by_name[field].enum_type.values_by_number[content]
        return number.name.endswith(f"_{value.name}")
    if is_dataclass(value):
        plaintext = getattr(importlib.import_module(type(message).__module__), type(value).__name__)
        return all_same(value, protojson.loads(content, plaintext))
    if isinstance(value, tuple):
        return tuple(content) == value
    return not content if value is None else content == value


def all_same(fact, message):
    return all(same(getattr(fact, field.name), field.name, message) for field in fields(fact))


@pytest.mark.parametrize(("service", "fact"), FACTS, ids=lambda value: getattr(value, "__name__", value))
@settings(max_examples=20)
@given(data=st.data())
def test_every_field_of_a_fact_is_in_its_message(service, fact, data):
    """Values are generated from the annotations of the fact."""
    original = data.draw(values(fact))

    (message,) = TABLES[service].messages([original])

    assert isinstance(message, Message)
    assert all_same(original, message)


@pytest.mark.parametrize("service", SERVICES)
def test_every_message_that_a_service_publishes_has_its_fact(service):
    """The mapping contains no message of another service."""
    declared = {event.full_name for event in EVENTS if owner(option(event).exchange) == service}

    assert {message.DESCRIPTOR.full_name for message in TABLES[service].MESSAGES.values()} == declared
