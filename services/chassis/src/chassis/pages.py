"""Page tokens: where the next page begins, opaque to the caller, and good for one question only."""

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from chassis.errors import ChassisError


class PageTokenInvalid(ChassisError):
    """The page token is none of ours, or was given for another question."""

    reason = "PAGE_TOKEN_INVALID"
    code = "INVALID_ARGUMENT"

    def __init__(self) -> None:
        super().__init__("The page token is not one for this question", field="page_token")


@dataclass(frozen=True)
class Place:
    """A page begins after what has this time (UTC) and id."""

    time: datetime
    id: str


def token(place: Place, question: Sequence[str]) -> str:
    """The token for what follows a place in the answer to a question: its filters, in one order."""
    told = [place.time.astimezone(UTC).isoformat(), place.id, _mark(question)]
    return base64.urlsafe_b64encode(json.dumps(told).encode()).decode()


def place(token: str, question: Sequence[str]) -> Place | None:
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
        return Place(datetime.fromisoformat(time).astimezone(UTC), last)
    except (binascii.Error, ValueError, TypeError, OverflowError):
        raise PageTokenInvalid from None


def _mark(question: Sequence[str]) -> str:
    """A mistake is found by it, not an attack: what a caller may see is decided by the question itself."""
    return hashlib.sha256(json.dumps(list(question)).encode()).hexdigest()[:16]
