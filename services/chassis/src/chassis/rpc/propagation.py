"""What a call hands on to the calls that are made to answer it: its deadline and the journey's request number."""

import asyncio
from contextvars import ContextVar
from typing import Final

REQUEST_NUMBER: Final = "diwan-request-number"
"""Metadata by which services hand on the journey's request number; from any other caller it is ignored."""

_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)


def set_deadline(time: float) -> None:
    """Set when this task must have answered its call, in the event loop's time, seconds."""
    _deadline.set(time)


def remaining() -> float | None:
    """Seconds left to answer the call in hand, None outside one."""
    deadline = _deadline.get()
    return None if deadline is None else max(0.0, deadline - asyncio.get_running_loop().time())
