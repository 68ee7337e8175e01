"""Limit of anonymous requests by network, kept in memory."""

from collections import OrderedDict
from datetime import datetime, timedelta

from identity.model.errors import TooManyStarts

_HOUR = timedelta(hours=1)
MAX_NETWORKS = 50_000
"""Networks that are counted; the one with the oldest first request is forgotten for another."""


class Networks:
    """Counts anonymous requests of each network in windows of an hour.

    The counts are those of one process: an aggregate in the store would be changed by all users of one operator's
    shared address at the same time. With n processes, a network may make up to n times as many requests.
    """

    def __init__(self, per_hour: int) -> None:
        self._per_hour = per_hour
        self._counts: OrderedDict[str, tuple[datetime, int]] = OrderedDict()

    def count(self, network: str, now: datetime) -> None:
        """Count a request; TooManyStarts with `retry_after_seconds`."""
        start, count = self._counts.get(network, (now, 0))
        if now - start >= _HOUR:
            start, count = now, 0
            self._counts.pop(network, None)
        if count >= self._per_hour:
            wait = start + _HOUR - now
            raise TooManyStarts(retry_after_seconds=str(max(1, -(-wait // timedelta(seconds=1)))))
        self._counts[network] = (start, count + 1)
        if len(self._counts) > MAX_NETWORKS:
            self._counts.popitem(last=False)
