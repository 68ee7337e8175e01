"""Limits of the store. Every list in a document is bounded."""

from dataclasses import dataclass
from datetime import timedelta

WAITING = 10_000
"""Loads, or saves, of one collection that may wait for a round trip."""
REQUEST_AGE = timedelta(hours=24)
"""Retention of a request in its aggregate."""
BATCH = 1_000
"""Documents that one query returns."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of one collection of aggregates.

    Attributes:
        batch: loads or saves in one round trip.
        batch_bytes: bytes of saves in one round trip (a larger single save has a round trip of its own).
        document_bytes: size of an aggregate's document without its outbox.
        entry_bytes: size of one outbox entry.
        outbox: unsent entries of one aggregate.
        requests: requests stored in one aggregate.
        processed_events: event ids stored in one aggregate.
    """

    batch: int = 64
    batch_bytes: int = 8 * 1024 * 1024
    document_bytes: int = 1024 * 1024
    entry_bytes: int = 64 * 1024
    outbox: int = 100
    requests: int = 256
    processed_events: int = 256
