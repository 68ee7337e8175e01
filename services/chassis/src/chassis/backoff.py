"""Backoff between tries to reach what is away. Imports neither gRPC nor the store: connectors use it too."""

import random


class Backoff:
    """Backoff that grow, in seconds: each twice as long as the one before, up to the longest.

    Of each only a part is taken, between half and the whole: a hundred clients must not come back in one moment.
    """

    def __init__(self, first: float, longest: float) -> None:
        self._first = first
        self._longest = longest
        self._next = first

    def next(self) -> float:
        """How long to wait now."""
        now, self._next = self._next, min(self._next * 2, self._longest)
        return now * random.uniform(0.5, 1.0)  # noqa: S311 -- no secret

    def reset(self) -> None:
        """It was reached: the next pause is a first one."""
        self._next = self._first
