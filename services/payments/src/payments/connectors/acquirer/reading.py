"""Liberal reading of the acquirer's JSON: what has one meaning is read, the rest is refused. No I/O here."""

import json
import re
from decimal import Decimal, InvalidOperation
from email.message import Message
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field

TEXT_MAX: Final = 64
NUMBER_DIGITS_MAX: Final = 15
_NUMBER: Final = re.compile(r"\d{1,15}(\.0{1,10})?")
_NO_WORD: Final = re.compile(r"[^A-Z0-9]+")


class NotJson(Exception):
    """The body is no JSON text with one meaning."""


def read_json(body: bytes, content_type: str = "") -> Any:
    """Parse a JSON text in UTF-8, UTF-16 or UTF-32, or in the charset that the content type states.

    Numbers with a fraction or an exponent are `Decimal`. Two fields of one name have no single meaning: NotJson.
    """
    try:
        return json.loads(
            _text(body, content_type),
            parse_float=Decimal,
            parse_constant=_refuse,
            object_pairs_hook=_unique,
        )
    except (ValueError, RecursionError, InvalidOperation, LookupError):
        raise NotJson from None


def _text(body: bytes, content_type: str) -> str:
    try:
        return body.decode(json.detect_encoding(body)).removeprefix("\ufeff")
    except UnicodeDecodeError:
        header = Message()
        header["content-type"] = content_type
        return body.decode(str(header.get_content_charset("ascii")))


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a field occurs twice")
    return fields


def whole(value: object) -> object:
    """A whole number from an integer, an integral fraction (10800.0, "10800", "10800.00"), else the value itself."""
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()) and value.isascii():
        value = Decimal(value.strip())
    if isinstance(value, float):
        value = Decimal(value)
    # Checked before the conversion: an exponent could stand for millions of digits.
    if isinstance(value, Decimal) and value.is_finite() and value.adjusted() < NUMBER_DIGITS_MAX:
        return int(value) if value == value.to_integral_value() else value
    return value


def word(value: object) -> object:
    """A text in lower case without blanks at its ends; another value itself."""
    return value.strip().lower() if isinstance(value, str) else value


def identifier(value: object) -> object:
    """A text from a text or a whole number, without blanks at its ends."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if abs(value) < 10**TEXT_MAX else value
    return value.strip() if isinstance(value, str) else value


def reason(value: object) -> str:
    """A reason in upper-case words from any text: `Insufficient funds.` is INSUFFICIENT_FUNDS; else empty."""
    if not isinstance(value, str):
        return ""
    return _NO_WORD.sub("_", value.upper()).strip("_")[:TEXT_MAX].strip("_")


def optional(value: object) -> str:
    """A short printable text or a number; anything else is empty, because the report does not depend on it."""
    text = identifier(value)
    return text if isinstance(text, str) and len(text) <= TEXT_MAX and text.isprintable() else ""


def currency(value: object) -> object:
    """A currency code in upper case."""
    return value.strip().upper() if isinstance(value, str) else value


Currency = Annotated[str, BeforeValidator(currency), Field(pattern="^[A-Z]{3}$")]
Whole = Annotated[int, BeforeValidator(whole)]
Word = Annotated[str, BeforeValidator(word)]
Identifier = Annotated[str, BeforeValidator(identifier)]
Reason = Annotated[str, BeforeValidator(reason)]
Optional = Annotated[str, BeforeValidator(optional)]
