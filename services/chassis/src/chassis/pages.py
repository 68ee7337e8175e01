"""Pages: how long one is, and where the next begins: a token, opaque to the caller and good for one question only."""

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from chassis.errors import ChassisError

SIZE = 50
"""Of a page, where the caller does not say how long it is to be."""

T = TypeVar("T")


class PageTokenInvalid(ChassisError):
    """The page token is none of ours, or was given for another question."""

    reason = "PAGE_TOKEN_INVALID"
    code = "INVALID_ARGUMENT"

    def __init__(self) -> None:
        super().__init__("The page token is not one for this question", field="page_token")


@dataclass(frozen=True)
class Cursor:
    """A page begins after what has this time (UTC) and id."""

    time: datetime
    id: str


def token(cursor: Cursor, question: Sequence[str]) -> str:
    """The token for what follows a cursor in the answer to a question: its filters, in one order."""
    told = [cursor.time.astimezone(UTC).isoformat(), cursor.id, _mark(question)]
    return base64.urlsafe_b64encode(json.dumps(told).encode()).decode()


def cursor(token: str, question: Sequence[str]) -> Cursor | None:
    """Where the page begins; None for the first one.

    Raises:
        PageTokenInvalid: it is none of ours, or belongs to another question.
    """
    if not token:
        return None
    try:
        time, last, mark = json.loads(base64.b64decode(token.encode(), altchars=b"-_", validate=True))
        if mark != _mark(question) or not isinstance(last, str):
            raise PageTokenInvalid
        return Cursor(datetime.fromisoformat(time).astimezone(UTC), last)
    except (binascii.Error, ValueError, TypeError, OverflowError):
        raise PageTokenInvalid from None


def page(
    found: Sequence[T], size: int, question: Sequence[str], cursor_of: Callable[[T], Cursor]
) -> tuple[list[T], str]:
    """A page, and the token of the next one, empty at the end.

    Args:
        found: what follows the last page, where one more than `size` was looked for: it tells whether there is more.
        size: of the page.
        question: filters, in one order; see `token`.
        cursor_of: the cursor of one of them.
    """
    shown = list(found[:size])
    return shown, token(cursor_of(shown[-1]), question) if len(found) > size else ""


def _mark(question: Sequence[str]) -> str:
    """A mistake is found by it, not an attack: what a caller may see is decided by the question itself."""
    return hashlib.sha256(json.dumps(list(question)).encode()).hexdigest()[:16]
