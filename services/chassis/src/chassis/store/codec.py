"""Encoding of frozen dataclasses as documents, by their annotations."""

import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import UTC, date, datetime
from enum import Enum
from typing import Any, Generic, Protocol, TypeVar, Union, get_args, get_origin, get_type_hints

from chassis.store.errors import Unstorable

S = TypeVar("S")
Convert = Callable[[Any], Any]


class Codec(Protocol[S]):
    """Conversion between a state and a document."""

    def encode(self, state: S, /) -> dict[str, Any]: ...

    def decode(self, document: Mapping[str, Any], /) -> S: ...


def dataclass_codec(cls: type[S]) -> Codec[S]:
    """The codec of a frozen dataclass.

    Fields may be str, bytes, int, bool, datetime (UTC, kept to the millisecond), date, Enum, nested
    dataclasses, tuple, frozenset, dict and Mapping with str or StrEnum keys, and X | None. Unknown fields of
    a document are ignored, missing ones take their defaults.

    Raises:
        TypeError: a field has another type.
    """
    return DataclassCodec(cls)


class DataclassCodec(Generic[S]):
    """See `dataclass_codec`. Encoders and decoders are built once per class, not looked up per document."""

    def __init__(self, cls: type[S]) -> None:
        self._cls = cls
        self._encode, self._decode = _dataclass(cls, {})

    def encode(self, state: S, /) -> dict[str, Any]:
        try:
            document: dict[str, Any] = self._encode(state)
        except Unstorable:
            raise
        except (AttributeError, TypeError, ValueError) as error:
            # The error's own text may quote the value.
            raise Unstorable(f"{self._cls.__name__} cannot be encoded: {type(error).__name__}") from None
        return document

    def decode(self, document: Mapping[str, Any], /) -> S:
        try:
            state: S = self._decode(document)
        except Unstorable:
            raise
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise Unstorable(f"{self._cls.__name__} cannot be decoded: {type(error).__name__}") from None
        return state


Pair = tuple[Convert, Convert]


def _unchanged(value: Any) -> Any:
    return value


def _pair(hint: Any, known: dict[Any, Pair]) -> Pair:
    """The encoder and decoder of one annotation."""
    if hint in _PLAIN:
        return _PLAIN[hint]
    if isinstance(hint, type) and issubclass(hint, Enum):
        return (lambda value: value.value), hint
    if isinstance(hint, type) and is_dataclass(hint):
        return _dataclass(hint, known)
    return _composed(hint, known)


def _composed(hint: Any, known: dict[Any, Pair]) -> Pair:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _optional(hint, arguments, known)
    if origin is tuple:
        return _tuple(arguments, known)
    if origin is frozenset:
        return _frozenset(arguments[0], known)
    if origin in (dict, Mapping):
        return _dict(hint, arguments, known)
    raise TypeError(f"a state cannot hold {hint}")


def _encode_datetime(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise Unstorable("a time has no zone: set it to UTC")
    value = value.astimezone(UTC)
    return value.replace(microsecond=value.microsecond // 1000 * 1000)


def _decode_datetime(value: datetime) -> datetime:
    return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


_PLAIN: dict[Any, Pair] = {
    str: (_unchanged, _unchanged),
    int: (_unchanged, _unchanged),
    bool: (_unchanged, _unchanged),
    bytes: (_unchanged, bytes),
    datetime: (_encode_datetime, _decode_datetime),
    date: (date.isoformat, date.fromisoformat),
}


def _optional(hint: Any, arguments: tuple[Any, ...], known: dict[Any, Pair]) -> Pair:
    kinds = [argument for argument in arguments if argument is not types.NoneType]
    if len(kinds) != 1 or len(arguments) != 2:
        raise TypeError(f"a state cannot hold {hint}: a union may only be of one type and None")
    encode, decode = _pair(kinds[0], known)
    return (
        lambda value: None if value is None else encode(value),
        lambda value: None if value is None else decode(value),
    )


def _tuple(arguments: tuple[Any, ...], known: dict[Any, Pair]) -> Pair:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        encode, decode = _pair(arguments[0], known)
        return (lambda values: [encode(v) for v in values]), (lambda values: tuple(decode(v) for v in values))
    pairs = [_pair(argument, known) for argument in arguments]
    return (
        lambda values: [encode(v) for (encode, _), v in zip(pairs, values, strict=True)],
        lambda values: tuple(decode(v) for (_, decode), v in zip(pairs, values, strict=True)),
    )


def _frozenset(kind: Any, known: dict[Any, Pair]) -> Pair:
    encode, decode = _pair(kind, known)
    # Sorted, so that equal sets give equal documents.
    return (
        lambda values: sorted((encode(v) for v in values), key=repr),
        lambda values: frozenset(decode(v) for v in values),
    )


def _dict(hint: Any, arguments: tuple[Any, ...], known: dict[Any, Pair]) -> Pair:
    key = arguments[0]
    if key is not str and not (isinstance(key, type) and issubclass(key, Enum) and issubclass(key, str)):
        raise TypeError(f"a state cannot hold {hint}: keys must be str or StrEnum")
    encode_key, decode_key = _pair(key, known)
    encode, decode = _pair(arguments[1], known)
    return (
        lambda values: {encode_key(k): encode(v) for k, v in values.items()},
        lambda values: {decode_key(k): decode(v) for k, v in values.items()},
    )


def _dataclass(cls: Any, known: dict[Any, Pair]) -> Pair:
    if cls in known:
        return known[cls]
    converters: list[tuple[str, Convert, Convert]] = []

    def encode(value: Any) -> dict[str, Any]:
        return {name: convert(getattr(value, name)) for name, convert, _ in converters}

    def decode(document: Mapping[str, Any]) -> Any:
        missing = required.difference(document)
        if missing:
            raise Unstorable(f"a document of {cls.__name__} lacks {', '.join(sorted(missing))}")
        return cls(**{name: convert(document[name]) for name, _, convert in converters if name in document})

    # Registered before its fields are visited, so that a class may refer to itself.
    known[cls] = (encode, decode)
    hints = get_type_hints(cls)
    required = {field.name for field in fields(cls) if field.init and not _has_default(field)}
    converters.extend((f.name, *_pair(hints[f.name], known)) for f in fields(cls) if f.init)
    return known[cls]


def _has_default(field: Field[Any]) -> bool:
    return field.default is not MISSING or field.default_factory is not MISSING
