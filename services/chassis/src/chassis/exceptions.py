"""Exceptions for logs and records: reasons, classes and frames, no word of an exception's text."""

import traceback
from types import TracebackType
from typing import Final

FRAMES_MAX: Final = 20
ERRORS_MAX: Final = 8

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


def format_exception(exc_info: ExcInfo) -> str:
    """An exception, its causes and the members of its groups, the newest first: for each its class and last frames.

    The chassis's own errors are told with their texts, which quote nobody; those of a service with their `reason`.
    """
    told: list[str] = []
    left: list[BaseException] = [exc_info[1]]
    seen: set[int] = set()
    while left and len(told) < ERRORS_MAX:
        error = left.pop(0)
        if id(error) in seen:
            continue
        seen.add(id(error))
        told.append(_one(error))
        if isinstance(error, BaseExceptionGroup):
            left += error.exceptions
        before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if before is not None:
            left.append(before)
    return "\n".join(told)


def failure_reason(error: BaseException) -> str:
    """The stable reason that an exception states, else the name of its class; never its text."""
    return _stable_reason(error) or type(error).__name__


def _stable_reason(error: BaseException) -> str:
    """The `reason` of an exception where it is one word, else "": a library's may be a sentence that quotes."""
    reason = getattr(error, "reason", "")
    return reason if isinstance(reason, str) and reason.isascii() and reason.isidentifier() else ""


def _one(error: BaseException) -> str:
    kind = type(error)
    head = f"{kind.__module__}.{kind.__qualname__}" if kind.__module__ != "builtins" else kind.__qualname__
    if kind.__module__.startswith("chassis."):
        head += f": {error}"
    elif reason := _stable_reason(error):
        head += f" {reason}"
    # Walked by hand: reading the source's lines would cost more than it tells.
    frames = [
        f"  {frame.f_code.co_filename}:{line} {frame.f_code.co_qualname}"
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    return "\n".join([head, *frames[-FRAMES_MAX:]])
