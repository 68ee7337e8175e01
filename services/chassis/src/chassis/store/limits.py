"""How large things may grow. Every list in a document has an end."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of one collection of aggregates.

    Attributes:
        batch: loads or saves in one round trip.
        batch_bytes: bytes of saves in one round trip (one larger save goes alone).
        waiting: loads or saves that wait for a round trip.
        document_bytes: an aggregate's document without its outbox.
        entry_bytes: one outbox entry.
        outbox: entries that one aggregate has still to send.
        requests: requests remembered by one aggregate.
        request_age: how long a request is remembered.
        processed_events: events remembered by one aggregate.
        page: documents that one query returns.
    """

    batch: int = 64
    batch_bytes: int = 8 * 1024 * 1024
    waiting: int = 10_000
    document_bytes: int = 1024 * 1024
    entry_bytes: int = 64 * 1024
    outbox: int = 100
    requests: int = 256
    request_age: timedelta = timedelta(hours=24)
    processed_events: int = 256
    page: int = 1000
