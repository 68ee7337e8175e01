"""Propagation of a call's deadline and request number to the calls that its handler makes."""

import asyncio
from contextvars import ContextVar
from typing import Final

REQUEST_NUMBER: Final = "diwan-request-number"
"""Metadata with the journey's request number in calls between services; ignored from all other callers."""

_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)


def set_deadline(time: float) -> None:
    """Set the deadline of this task's call, in seconds of the event loop's clock."""
    _deadline.set(time)


def remaining() -> float | None:
    """Seconds until the deadline of the current call, at least 0; None outside of a call."""
    deadline = _deadline.get()
    return None if deadline is None else max(0.0, deadline - asyncio.get_running_loop().time())
