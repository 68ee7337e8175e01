"""Exceptions for logs and records: reasons, classes and frames, without their texts, which may quote personal data."""

import traceback
from types import TracebackType
from typing import Final

FRAMES_MAX: Final = 20
ERRORS_MAX: Final = 8

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


def format_exception(exc_info: ExcInfo) -> str:
    """An exception, its causes and the members of its groups, the newest first: for each its class and last frames.

    The chassis's own errors include their texts, which hold no personal data; a service's include their `reason`.
    """
    formatted: list[str] = []
    remaining: list[BaseException] = [exc_info[1]]
    visited: set[int] = set()
    while remaining and len(formatted) < ERRORS_MAX:
        error = remaining.pop(0)
        if id(error) in visited:
            continue
        visited.add(id(error))
        formatted.append(_format_one(error))
        if isinstance(error, BaseExceptionGroup):
            remaining += error.exceptions
        cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if cause is not None:
            remaining.append(cause)
    return "\n".join(formatted)


def failure_reason(error: BaseException) -> str:
    """The stable reason of an exception, else the name of its class; never its text."""
    return _stable_reason(error) or type(error).__name__


def _stable_reason(error: BaseException) -> str:
    """An exception's `reason` if it is one word, else "": a library's may be a sentence with personal data."""
    reason = getattr(error, "reason", "")
    return reason if isinstance(reason, str) and reason.isascii() and reason.isidentifier() else ""


def _format_one(error: BaseException) -> str:
    kind = type(error)
    head = f"{kind.__module__}.{kind.__qualname__}" if kind.__module__ != "builtins" else kind.__qualname__
    if kind.__module__.startswith("chassis."):
        head += f": {error}"
    elif reason := _stable_reason(error):
        head += f" {reason}"
    # Not by `traceback.extract_tb`: that reads the source files, whose lines are not needed.
    frames = [
        f"  {frame.f_code.co_filename}:{line} {frame.f_code.co_qualname}"
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    return "\n".join([head, *frames[-FRAMES_MAX:]])
