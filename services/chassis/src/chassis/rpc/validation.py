"""Validation of requests by the rules in their protos (protovalidate)."""

from typing import Any

import protovalidate
from google.protobuf.message import DecodeError, Message

from chassis.errors import FieldViolation, Invalid
from chassis.input_forms import normalise

_validator = protovalidate.Validator()


def warm_up(kind: type[Message]) -> None:
    """Compile a message's rules, so that an error in them is raised at start, not at the first call."""
    _validator.collect_violations(kind())


def parse(kind: type[Message], raw: bytes) -> Message:
    """Parse, normalise and validate a request; Invalid with at most 20 violations, by path and rule, never by value."""
    message = kind()
    try:
        message.ParseFromString(raw)
    except DecodeError:
        raise Invalid([FieldViolation("", "not a " + kind.DESCRIPTOR.full_name)]) from None
    normalise(message)
    violations = _validator.collect_violations(message)
    if violations:
        raise Invalid([_violation(one.proto) for one in violations])
    return message


def _violation(violation: Any) -> FieldViolation:
    elements = violation.field.elements if violation.field else ()
    return FieldViolation(".".join(_element(one) for one in elements), violation.rule_id)


def _element(element: Any) -> str:
    """An element of the path; a map's key is omitted, since it may be a personal datum."""
    subscript = element.subscript
    if subscript is None:
        return str(element.field_name)
    return f"{element.field_name}[{subscript.value if subscript.field == 'index' else ''}]"
