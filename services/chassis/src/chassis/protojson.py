"""Messages as proto-JSON: the body of an event, and the content of its sealed fields.

Imports neither gRPC nor the store: connectors use it too.
"""

from typing import TypeVar

from google.protobuf import json_format
from google.protobuf.message import Message

from chassis.errors import ChassisError

M = TypeVar("M", bound=Message)


class Unreadable(ChassisError):
    """The text is no proto-JSON of the expected message. The error's text quotes nothing of it."""

    reason = "CONTENT_INVALID"


def dumps(message: Message) -> str:
    """The message on one line, non-ASCII letters unescaped."""
    return json_format.MessageToJson(message, indent=None, ensure_ascii=False)


def loads(text: str | bytes, kind: type[M]) -> M:
    """Parse a message; unknown fields, of a newer program, are ignored.

    Args:
        text: as text, or as UTF-8.
        kind: the message's generated class.

    Raises:
        Unreadable: the text is no proto-JSON of this class.
    """
    message = kind()
    try:
        json_format.Parse(text, message, ignore_unknown_fields=True)
    except (json_format.ParseError, ValueError, RecursionError):
        # The parser's error quotes the text.
        raise Unreadable(f"no proto-JSON of {kind.DESCRIPTOR.full_name}") from None
    return message
