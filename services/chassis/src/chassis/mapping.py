"""Dataclasses as proto messages: one mapping for the facts of a model and the responses of an API.

Each field is filled from the attribute of the same name; the message's descriptor determines the conversion:

| field of the message | attribute |
|---|---|
| `google.protobuf.Timestamp` | datetime with a zone |
| `google.type.Money` | int, piastres |
| another message | a dataclass, or a ready message |
| an enum | an Enum; its member DUE is the value `<PREFIX>_DUE` |
| a string | str; a datetime becomes RFC 3339; a dataclass becomes proto-JSON where the field is sealed |
| repeated, map | tuple or list; Mapping |

None and empty values are left out. Zero is written, so that an amount of zero is present.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any, Protocol, TypeVar, cast

from diwan.options.v1 import options_pb2
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.money_pb2 import Money

from chassis import protojson
from chassis.money import money
from chassis.times import format_time, timestamp

M = TypeVar("M", bound=Message)
E = TypeVar("E", bound=Enum)
Convert = Callable[[Any], Any]


class ProtoEnum(Protocol):
    """A generated enum."""

    @property
    def DESCRIPTOR(self) -> EnumDescriptor: ...  # noqa: N802 -- protobuf's name


FactTable = Mapping[type, type[Message]]
"""A service's facts (frozen dataclasses) and the messages that publish them."""

_WRITTEN: Mapping[str, Convert] = {
    Timestamp.DESCRIPTOR.full_name: timestamp,
    Money.DESCRIPTOR.full_name: money,
}


def to_message(source: object, message: type[M], **given: Any) -> M:
    """Convert an object to a message; attributes without a field in the message are ignored.

    Args:
        source: usually a dataclass; its properties are read too.
        message: the generated class.
        given: values by field name, for fields that differ from their attribute or have none; None omits a field.

    Raises:
        TypeError: a field has neither an attribute nor a given value, a given name is no field, or a value has the
            wrong type.
        ValueError: a datetime without a zone.
    """
    converters = _converters(message.DESCRIPTOR)
    if unknown := given.keys() - converters.keys():
        raise TypeError(f"{message.DESCRIPTOR.full_name} has no field {', '.join(sorted(unknown))}")
    values = {}
    for name, convert in converters.items():
        try:
            value = given[name] if name in given else getattr(source, name)
        except AttributeError as error:
            raise TypeError(f"{type(source).__name__} has no {name} for {message.DESCRIPTOR.name}") from error
        if value is not None and value not in ("", ()):
            values[name] = convert(value)
    return message(**values)


def fact_mapping(table: FactTable) -> Callable[[Iterable[object]], tuple[Message, ...]]:
    """A function that converts facts to messages, in their order.

    Sealed fields are in plaintext in these messages; the event encoder seals them. The function raises KeyError for
    a fact that is not in the table.

    Raises:
        TypeError: a fact and its message differ in their field names. Raised at import, so that no service starts.
    """
    for fact, message in table.items():
        _check_same_fields(fact, message)
    return lambda facts: tuple(to_message(fact, table[type(fact)]) for fact in facts)


def members(enum: type[E], proto: ProtoEnum) -> Mapping[int, E]:
    """The members of a model's enum by the numbers of the proto enum, without `_UNSPECIFIED`.

    Raises:
        TypeError: the two enums differ in the names of their members.
    """
    numbers = _numbers(proto.DESCRIPTOR)
    if numbers.keys() != enum.__members__.keys():
        raise TypeError(f"{enum.__name__} and {proto.DESCRIPTOR.full_name} have different members")
    return {number: enum[name] for name, number in numbers.items()}


def _check_same_fields(fact: type, message: type[Message]) -> None:
    """Raise TypeError if the field names differ: no attribute may be lost and no field stay empty by mistake."""
    attributes = {field.name for field in fields(fact)}
    if differing := attributes ^ _converters(message.DESCRIPTOR).keys():
        raise TypeError(
            f"{fact.__name__} and {message.DESCRIPTOR.full_name} differ in {', '.join(sorted(differing))}"
        )


@cache
def _converters(message: Descriptor) -> Mapping[str, Convert]:
    return {field.name: _converter(field) for field in message.fields}


def _converter(field: FieldDescriptor) -> Convert:
    kind = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        return dict
    one = _single(field)
    return (lambda values: [one(value) for value in values]) if field.is_repeated else one


def _single(field: FieldDescriptor) -> Convert:
    if field.message_type is not None:
        converter = _WRITTEN.get(field.message_type.full_name)
        nested = message_factory.GetMessageClass(field.message_type)
        return converter or (lambda value: value if isinstance(value, Message) else to_message(value, nested))
    if field.enum_type is not None:
        numbers = _numbers(field.enum_type)
        return lambda value: _number(value, numbers)
    if field.type == FieldDescriptor.TYPE_STRING:
        return lambda value: _text(value, field)
    return lambda value: value


def _text(value: object, field: FieldDescriptor) -> object:
    if isinstance(value, datetime):
        return format_time(value)
    if not is_dataclass(value):
        return value
    # The content of a sealed field is the message with the dataclass's name in the field's own file.
    plaintext = cast("Descriptor", field.containing_type).file.message_types_by_name.get(type(value).__name__)
    if plaintext is None or not field.GetOptions().Extensions[options_pb2.sealed_for]:
        raise TypeError(f"{field.full_name} is not sealed, or its file has no {type(value).__name__}")
    message = message_factory.GetMessageClass(plaintext)
    _check_same_fields(type(value), message)
    return protojson.dumps(to_message(value, message))


def _number(value: object, numbers: Mapping[str, int]) -> int:
    number = numbers.get(value.name) if isinstance(value, Enum) else None
    if number is None:
        raise TypeError(f"a {type(value).__name__} is no value of the enum, or none of this name")
    return number


@cache
def _numbers(enum: EnumDescriptor) -> Mapping[str, int]:
    """The numbers of an enum's values by their names without the prefix that buf's lint rules require."""
    prefix = enum.values[0].name.removesuffix("UNSPECIFIED")
    return {value.name.removeprefix(prefix): value.number for value in enum.values if value.number}
