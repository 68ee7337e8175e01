"""Input as people type it: a message's fields are brought to the one form of their kind, in place.

A field's rule in its proto (`diwan.rules.v1`, or `string.uuid`) names its kind; the comments in rules.proto state what
is accepted for each kind. This is done once, where a message enters the service and before it is validated: a text that
is still not of the form is then refused by the rule, and the hash of a request's content is that of the normal form.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

from buf.validate import validate_pb2
from diwan.rules.v1 import rules_pb2
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

Form = Callable[[str], str]

MAX_TYPED: Final = 100
"""Longest text that is rewritten, characters: nobody types a longer code, and rewriting costs time per character."""

_INVISIBLE: Final = frozenset({"Cf", "Mn", "Me"})
"""Unicode categories of direction marks and joiners, and of marks on letters and digits."""
_BLANKS: Final = "\t\n\r"
_SEPARATORS: Final = frozenset("-\N{MINUS SIGN}\N{ARABIC TATWEEL}._/()" + _BLANKS)
_CONFUSED_WITH_DIGITS: Final = str.maketrans("OIL", "011")
_MOBILE: Final = re.compile(r"(?:(?:\+|00)?200?|0)?(1[0125][0-9]{8})", re.ASCII)
"""An Egyptian mobile number; after `+` or `00` only with the country code, since `+10…` is of another country."""

_DOCUMENT_NUMBER_CHARACTERS: Final = 14


def normalise(message: Message) -> None:
    """Bring each field of a known kind to its form, also in nested messages; other texts remain as they are."""
    for field, value in message.ListFields():
        form = _form_of(field)
        if form is not None and field.is_repeated:
            value[:] = [_rewritten(form, text) for text in value]
        elif form is not None:
            setattr(message, field.name, _rewritten(form, value))
        elif field.message_type is not None:
            for nested in _messages(field, value):
                normalise(nested)


def _messages(field: FieldDescriptor, value: Any) -> list[Message]:
    if not field.is_repeated:
        return [value]
    return [
        each for each in (value.values() if hasattr(value, "values") else value) if isinstance(each, Message)
    ]


def _rewritten(form: Form, text: str) -> str:
    return form(text) if len(text) <= MAX_TYPED else text


@cache
def _form_of(field: FieldDescriptor) -> Form | None:
    if field.type != FieldDescriptor.TYPE_STRING:
        return None
    rules = field.GetOptions().Extensions[validate_pb2.field]
    string = rules.repeated.items.string if field.is_repeated else rules.string
    if string.uuid:
        return str.lower
    return next((form for rule, form in _FORMS.items() if string.Extensions[rule]), None)


def _plain(text: str) -> str:
    """Capital letters, with digits of any script as 0-9 and without invisible marks."""
    visible = (c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) not in _INVISIBLE)
    return "".join(str(unicodedata.decimal(c, c)) for c in visible).upper()


def _compact(text: str) -> str:
    """Plain, without blanks and separators."""
    return "".join(
        c for c in _plain(text) if c not in _SEPARATORS and unicodedata.category(c) not in {"Zs", "Pd"}
    )


def _code(text: str) -> str:
    """Of digits, or of Crockford's base32, which for this reason has no I, L and O."""
    return _compact(text).translate(_CONFUSED_WITH_DIGITS)


def _mobile(text: str) -> str:
    number = _code(text)
    if number.endswith("+"):  # typed to the left of the digits, in a text from right to left
        number = "+" + number.removesuffix("+")
    found = _MOBILE.fullmatch(number)
    return f"+20{found[1]}" if found else text


def _document_number(text: str) -> str:
    number = _compact(text)
    if len(number) != _DOCUMENT_NUMBER_CHARACTERS:
        return text
    rest = number[2:].translate(_CONFUSED_WITH_DIGITS)
    return f"{number[:2]}-{rest[:4]}-{rest[4:]}"


def _staff_number(text: str) -> str:
    """Hyphens are a part of it, and both O and 0 may be."""
    hyphened = ("-" if _is_dash(c) else c for c in _plain(text) if c not in _BLANKS)
    return "".join(c for c in hyphened if unicodedata.category(c) != "Zs")


def _is_dash(character: str) -> bool:
    return character == "\N{MINUS SIGN}" or unicodedata.category(character) == "Pd"


_FORMS: Final[Mapping[Any, Form]] = {
    rules_pb2.uuid4: str.lower,
    rules_pb2.national_id: _code,
    rules_pb2.mobile: _mobile,
    rules_pb2.code: _code,
    rules_pb2.document_number: _document_number,
    rules_pb2.printed_code: _code,
    rules_pb2.staff_number: _staff_number,
}
