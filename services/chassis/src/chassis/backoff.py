"""Exponential backoff with jitter. Imports neither gRPC nor the store: connectors use it too."""

import random


class Backoff:
    """Growing pauses, in seconds: each twice as long as the one before, up to `longest`.

    Each is shortened at random by up to half, so that many clients do not reconnect at the same moment.
    """

    def __init__(self, first: float, longest: float) -> None:
        self._first = first
        self._longest = longest
        self._next = first

    def next(self) -> float:
        """The pause before the next attempt, seconds."""
        pause, self._next = self._next, min(self._next * 2, self._longest)
        return pause * random.uniform(0.5, 1.0)  # noqa: S311 -- no secret

    def reset(self) -> None:
        """Begin again with the first pause, after a success."""
        self._next = self._first
