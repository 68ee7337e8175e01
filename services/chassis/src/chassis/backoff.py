"""Exponential backoff with jitter, and a limit of concurrent retries.

Imports neither gRPC nor the store: connectors use it too.
"""

import random
import time
from collections.abc import Callable

STEADY_SECONDS = 10.0
"""Time that a connection must last before the next failure counts as a first one."""


class Backoff:
    """Growing pauses, in seconds: each twice as long as the one before, up to `longest`.

    Each is shortened at random by up to half, so that many clients do not reconnect at the same moment.
    """

    def __init__(
        self,
        first: float,
        longest: float,
        *,
        steady: float = STEADY_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._first = first
        self._longest = longest
        self._steady = steady
        self._clock = clock
        self._next = first
        self._opened: float | None = None

    def opened(self) -> None:
        """Note that a connection was opened. Only if it lasts does the next pause begin again with the first."""
        self._opened = self._clock()

    def next(self) -> float:
        """The pause before the next attempt, seconds. It grows also after a connection that was soon lost."""
        if self._opened is not None and self._clock() - self._opened >= self._steady:
            self.reset()
        self._opened = None
        pause, self._next = self._next, min(self._next * 2, self._longest)
        return pause * random.uniform(0.5, 1.0)  # noqa: S311 -- no secret

    def reset(self) -> None:
        """Begin again with the first pause, after a success."""
        self._next = self._first


class RetryLimit:
    """Limit of concurrent retries. A failure halves it, a success adds one, up to `most`; it is never below 1.

    If everything fails, retries of many messages do not load what they depend on, though each message has its own
    pauses.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.value = most

    def record(self, *, succeeded: bool) -> None:
        """Follow the outcome of a retry."""
        self.value = min(self.value + 1, self._most) if succeeded else max(1, self.value // 2)
