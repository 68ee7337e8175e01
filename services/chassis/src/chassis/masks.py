"""Masking of personal data in logs, spans and error texts.

Three checks apply, one after another: keys that name a personal datum, protobuf fields marked `personal` or
`sealed_for`, and the shape of national IDs and mobile numbers in any text, in Western, Arabic-Indic or
Persian digits.
"""

import dataclasses
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from diwan.options.v1 import options_pb2
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

MASK: Final = "***"
MAX_DEPTH: Final = 6
MAX_ITEMS: Final = 50
MAX_TEXT: Final = 8192

SENSITIVE_KEYS: Final = frozenset(
    {
        *(
            "national_id",
            "nationalid",
            "mobile",
            "msisdn",
            "phone",
            "email",
            "address",
            "passport",
            "contact",
        ),
        *(
            "code",
            "otp",
            "pin",
            "password",
            "secret",
            "token",
            "access_token",
            "access_tokens",
            "refresh_token",
            "authorization",
        ),
        *("confirmation", "client_assertion", "assertion", "text", "body", "content"),
        *(
            "name",
            "names",
            "first_name",
            "middle_name",
            "last_name",
            "full_name",
            "given_name",
            "family_name",
        ),
        *("mother_name", "mother_first_name", "father_name", "display_name"),
    }
)
"""Keys whose values are always masked."""

_IN_TEXT: Final = (
    r"national_?id|mobile|msisdn|phone|email|address|password|secret|otp|authorization|client_?assertion"
    r"|(?:mother_)?first_?name|(?:full|last|middle|given|family|mother|father|display)_?name"
    r"|(?:access_|refresh_)?token"
)
_VALUE: Final = r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|(?:Bearer\s+)?[^\s,;)\]}]+"""
_KEY_VALUE: Final = re.compile(rf"""(?i)\b((?:{_IN_TEXT})\b["']?\s*[:=]\s*)(?:{_VALUE})""")
_CODE: Final = re.compile(r"""(?i)\b((?:code|otp|pin)["']?\s*[:=]\s*)["']?\d{4,8}\b["']?""")
_JWT: Final = r"\beyJ[\w-]{8,}(?:\.[\w-]*){2,4}"
_0, _1, _2, _5 = "[0٠۰]", "[1١۱]", "[2٢۲]", "[5٥۵]"
_KEPT: Final = r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b(?=[0-9]*[a-f])[0-9a-f]{32,}\b"
_NATIONAL_ID: Final = r"(?<!\d)\d(?:[ \-]?\d){13}(?!\d)"
_DIALLED: Final = rf"(?:(?:\+|{_0}{_0})?{_2}{_0}[ \-]?|{_0})"
_MOBILE: Final = rf"(?<!\d){_DIALLED}{_1}(?:{_0}|{_1}|{_2}|{_5})(?:[ \-]?\d){{8}}(?!\d)"
_SHAPES: Final = re.compile(rf"(?P<kept>{_KEPT})|{_JWT}|{_NATIONAL_ID}|{_MOBILE}")
"""UUIDs and long hashes are matched first and kept: they are opaque, and their digits may look like numbers."""


_SUSPECT: Final = re.compile(r"[:=]|eyJ|\d[ \-]?\d[ \-]?\d[ \-]?\d")
"""A necessary condition of all patterns above: most texts do not match and need one search only."""


def mask_text(text: str) -> str:
    """The text, at most 8 Ki characters, with national IDs, mobile numbers, tokens and sensitive values masked."""
    if len(text) > MAX_TEXT:
        text = text[:MAX_TEXT] + "…"
    if not _SUSPECT.search(text):
        return text
    text = _KEY_VALUE.sub(rf"\g<1>{MASK}", text)
    text = _CODE.sub(rf"\g<1>{MASK}", text)
    return _SHAPES.sub(lambda match: match["kept"] or MASK, text)


def masked(value: Any, depth: int = 0) -> Any:
    """A copy of the value for JSON, personal data masked.

    Messages, dataclasses, mappings and sequences are copied to a limited depth and length; other objects become
    their masked text.
    """
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if mask_text(str(value)) == str(value) else MASK
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    return mask_text(value) if isinstance(value, str) else _masked_composite(value, depth)


def _masked_composite(value: Any, depth: int) -> Any:
    if depth >= MAX_DEPTH:
        return "…"
    if isinstance(value, Message):
        return masked_message(value, depth)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.repr}
    if isinstance(value, Mapping):
        return {
            mask_key(str(key)): MASK if is_sensitive_key(str(key)) else masked(item, depth + 1)
            for key, item in list(value.items())[:MAX_ITEMS]
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [masked(item, depth + 1) for item in list(value)[:MAX_ITEMS]]
    return mask_text(str(value))


@lru_cache(maxsize=1024)
def mask_key(key: str) -> str:
    """A mapping's key, masked as any text; cached, because few keys recur."""
    return mask_text(key)


@lru_cache(maxsize=1024)
def is_sensitive_key(key: str) -> bool:
    """Whether a key names a personal datum or a secret."""
    return key.lower().replace("-", "_").rsplit(".", 1)[-1] in SENSITIVE_KEYS and "." not in key


def masked_message(message: Message, depth: int = 0) -> dict[str, Any]:
    """A protobuf message as a dict, with fields marked `personal` or `sealed_for` masked."""
    return {field.name: _field(field, value, depth) for field, value in message.ListFields()}


def _field(field: FieldDescriptor, value: Any, depth: int) -> Any:
    options = field.GetOptions()
    if options.Extensions[options_pb2.personal] or options.Extensions[options_pb2.sealed_for]:
        return MASK
    if field.message_type is None and field.enum_type is not None:
        names = field.enum_type.values_by_number
        values = list(value)[:MAX_ITEMS] if field.is_repeated else [value]
        members = [names[number].name if number in names else number for number in values]
        return members if field.is_repeated else members[0]
    if field.is_repeated and not isinstance(value, Mapping):
        return [masked(item, depth + 1) for item in list(value)[:MAX_ITEMS]]
    return masked(value, depth + 1)
