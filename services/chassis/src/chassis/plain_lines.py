"""Plain lines on stderr, from the interpreter and from libraries, as lines of the log.

Examples are the trace of an exception that no code handles, in a thread, a greenlet, a spawned process or a finalizer,
and a library's `print`. Their plain text would be unreadable for a collector of logs, and may quote personal data.
"""

import io
import logging
import sys
import threading
from types import TracebackType
from typing import Any, Final, TextIO

from chassis import log

LINE_MAX: Final = 2_000
"""Longest kept part of a line, characters."""
_log = log.get("stderr")


def capture() -> None:
    """Write the process's plain lines as lines of the log; `log.setup` comes before it."""
    sys.excepthook = _uncaught
    threading.excepthook = lambda it: _uncaught(it.exc_type, it.exc_value, it.exc_traceback)
    sys.unraisablehook = lambda it: _uncaught(it.exc_type, it.exc_value, it.exc_traceback)
    logging.getLogger("asyncio").addFilter(_without_details)
    if not isinstance(sys.stderr, _Lines):
        sys.stderr = _Lines(sys.stderr)


def _without_details(record: logging.LogRecord) -> bool:
    """Keep the first line of asyncio's message: the others show a task and its exception, with the exception's text."""
    record.msg, record.args = record.getMessage().partition("\n")[0], ()
    return True


def _uncaught(
    kind: type[BaseException], error: BaseException | None, trace: TracebackType | None = None
) -> None:
    if error is None:
        error = kind()
    _log.error("uncaught exception", error=kind.__qualname__, exc_info=(kind, error, trace))


class _Lines(io.TextIOBase):
    """A text stream that logs each line, and of an exception's trace the class and frames instead of the text.

    Attributes:
        plain: the stream that it replaces.
    """

    def __init__(self, stream: TextIO) -> None:
        self.plain = stream
        self._line = ""
        self._traced: BaseException | None = None
        self._local = threading.local()

    def fileno(self) -> int:
        return self.plain.fileno()

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if getattr(self._local, "writing", False):
            return len(text)  # the log itself failed
        self._local.writing = True
        try:
            self._write(text, sys.exc_info()[1])
        finally:
            self._local.writing = False
        return len(text)

    def _write(self, text: str, error: BaseException | None) -> None:
        if error is not None:
            if error is not self._traced:
                _uncaught(type(error), error, error.__traceback__)
            self._traced = error
            return
        self._traced = None
        *lines, self._line = (self._line + text).split("\n")
        for line in [*lines, *self._overlong()]:
            if line.strip():
                _log.warning(line[:LINE_MAX])

    def _overlong(self) -> list[str]:
        if len(self._line) <= LINE_MAX:
            return []
        line, self._line = self._line, ""
        return [line]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.plain, name)
