"""Messages as proto-JSON: the body of an event, and what lies sealed in a field of one.

Imports neither gRPC nor the store: connectors use it too.
"""

from typing import TypeVar

from google.protobuf import json_format
from google.protobuf.message import Message

from chassis.errors import ChassisError

M = TypeVar("M", bound=Message)


class Unreadable(ChassisError):
    """A text is no proto-JSON of the message that it should be. Its own text holds nothing of it."""

    reason = "CONTENT_INVALID"


def dumps(message: Message) -> str:
    """The message on one line, letters as they are."""
    return json_format.MessageToJson(message, indent=None, ensure_ascii=False)


def loads(text: str | bytes, kind: type[M]) -> M:
    """The message that a text says; fields that a newer program wrote are passed over.

    Args:
        text: as text, or as UTF-8.
        kind: the message's generated class.

    Raises:
        Unreadable: it says none of this kind.
    """
    message = kind()
    try:
        json_format.Parse(text, message, ignore_unknown_fields=True)
    except (json_format.ParseError, ValueError, RecursionError):
        # The parser quotes what it could not loads.
        raise Unreadable(f"no proto-JSON of {kind.DESCRIPTOR.full_name}") from None
    return message
