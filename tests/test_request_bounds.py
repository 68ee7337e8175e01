"""Every field of a request has a bound: what comes from outside has a length, a range or a closed set of values."""

import importlib
import re
from collections.abc import Iterator
from typing import Any

import pytest
from buf.validate import validate_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from platform_table.load import platform

TYPES_WITH_BOUNDS = {
    "google.type.Date": "an impossible date is refused, so a year has four digits",
    "google.protobuf.Timestamp": "protobuf defines its range",
}
EXCEPTIONS: dict[str, str] = {}
"""Full names of fields without a bound, with the reason; today none."""

# A quantifier without an upper limit, outside a character class.
_UNBOUNDED = re.compile(r"[*+]|\{\d+,\}")
_CLASS = re.compile(r"\[[^]]*\]")
_PAIRS = (("gt", "lt"), ("gte", "lte"), ("gt", "lte"), ("gte", "lt"))
_SETS = {"const", "in", "len", "len_bytes", "max_len", "max_bytes", "uuid", "tuuid"}


def requests() -> Iterator[Descriptor]:
    """Yield the request of every RPC."""
    for service in (*platform().services, "operations"):
        file = importlib.import_module(f"diwan.{service}.v1.{service}_pb2").DESCRIPTOR
        for each in file.services_by_name.values():
            yield from (method.input_type for method in each.methods)


def fields(message: Descriptor) -> Iterator[FieldDescriptor]:
    """Yield the fields of a message and of its submessages, once each."""
    seen, waiting = {message.full_name}, [message]
    while waiting:
        for field in waiting.pop().fields:
            yield field
            below = field.message_type
            if below and below.full_name.startswith("diwan.") and below.full_name not in seen:
                seen.add(below.full_name)
                waiting.append(below)


def rules_of(field: FieldDescriptor) -> Any:
    """Return the rules of a field."""
    return field.GetOptions().Extensions[validate_pb2.field]


def is_bounded(field: FieldDescriptor, rules: Any) -> bool:
    """Whether the rules bound the field."""
    if field.message_type and field.message_type.GetOptions().map_entry:
        key, value = field.message_type.fields
        pairs = rules.map
        return (
            pairs.HasField("max_pairs")
            and is_scalar_bounded(key, pairs.keys)
            and is_scalar_bounded(value, pairs.values)
        )
    if field.is_repeated:
        return rules.repeated.HasField("max_items") and is_scalar_bounded(field, rules.repeated.items)
    return is_scalar_bounded(field, rules)


def is_scalar_bounded(field: FieldDescriptor, rules: Any) -> bool:
    """Whether the rules bound one value of the field's type."""
    kind = field.cpp_type
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return True
    if kind == FieldDescriptor.CPPTYPE_MESSAGE:
        name = field.message_type.full_name
        return name.startswith("diwan.") or name in TYPES_WITH_BOUNDS or bool(rules.cel)
    chosen = rules.WhichOneof("type")
    stated = {rule.name: value for rule, value in getattr(rules, chosen).ListFields()} if chosen else {}
    extended = any(rule.is_extension for rule, _ in getattr(rules, chosen).ListFields()) if chosen else False
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        return bool({"defined_only", "in", "const"} & stated.keys())
    if kind == FieldDescriptor.CPPTYPE_STRING:
        return extended or bool(_SETS & stated.keys()) or is_pattern_bounded(str(stated.get("pattern", "+")))
    return bool({"const", "in"} & stated.keys()) or any({low, high} <= stated.keys() for low, high in _PAIRS)


def is_pattern_bounded(pattern: str) -> bool:
    """Whether a pattern covers the whole text and has only bounded repetitions."""
    whole = pattern.startswith("^") and pattern.endswith("$")
    return whole and not _UNBOUNDED.search(_CLASS.sub("c", pattern))


@pytest.mark.parametrize("request_type", list(requests()), ids=lambda each: each.full_name)
def test_every_field_of_a_request_is_bounded(request_type: Descriptor) -> None:
    """A new field needs a rule, or a line with a reason in this file."""
    unbounded = {field.full_name for field in fields(request_type) if not is_bounded(field, rules_of(field))}

    assert unbounded <= EXCEPTIONS.keys()


def test_fields_without_a_rule_are_found() -> None:
    """A response has no rules: its texts, amounts and lists count as unbounded."""
    payment = importlib.import_module("diwan.payments.v1.payments_pb2").DESCRIPTOR.message_types_by_name

    for message, name in (("Quote", "service"), ("Quote", "fee"), ("Tariff", "fees"), ("Payment", "means")):
        field = payment[message].fields_by_name[name]
        assert not is_bounded(field, rules_of(field)), field.full_name


@pytest.mark.parametrize(
    ("pattern", "bounded"),
    [
        ("^[a-z]{1,40}$", True),
        ("^([0-9]{2}|[*])$", True),
        ("^[+]20[0-9]{10}$", True),
        ("^[a-z]+$", False),
        ("^[a-z]{3,}$", False),
        ("[a-z]{3}", False),
        ("^(ab)*$", False),
    ],
)
def test_patterns_are_judged_right(pattern: str, bounded: bool) -> None:
    """The check itself finds repetitions without a limit and patterns that cover a part."""
    assert is_pattern_bounded(pattern) is bounded
