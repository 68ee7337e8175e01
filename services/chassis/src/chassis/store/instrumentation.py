"""Spans and metrics of the store. Collections and counts only, never a key, an id or a value."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, get_current_span

from chassis import telemetry

failed = telemetry.failed

_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


@contextmanager
def round_trip(operation: str, collection: str, contexts: Sequence[Context]) -> Iterator[Span]:
    """A span around one round trip: a child of the first caller's span, with links to the others'."""
    callers = (get_current_span(context).get_span_context() for context in contexts[1:])
    attributes: dict[str, str | int] = {
        "db.system.name": "mongodb",
        "db.operation.name": operation,
        "db.collection.name": collection,
    }
    if len(contexts) > 1:
        attributes["db.operation.batch.size"] = len(contexts)
    telemetry.current().histogram(
        "diwan_store_batch_operations",
        "Loads or saves that shared a round trip",
        ("operation", "collection"),
        _SIZES,
    ).labels(operation, collection).observe(len(contexts))
    with telemetry.span(
        f"{operation} {collection}",
        kind=SpanKind.CLIENT,
        parent=contexts[0],
        links=[Link(caller) for caller in callers if caller.is_valid],
        attributes=attributes,
    ) as span:
        yield span


def count_conflict(collection: str) -> None:
    telemetry.current().counter(
        "diwan_store_conflicts", "Saves that failed because the version had changed", ("collection",)
    ).labels(collection).inc()


@contextmanager
def command(collection: str) -> Iterator[Span]:
    """A span around one command, and the measurement of its duration."""
    seconds = telemetry.current().histogram(
        "diwan_command_seconds", "Duration of a command, with its retries", ("collection",)
    )
    attributes = {"db.collection.name": collection}
    with (
        seconds.labels(collection).time(),
        telemetry.span(f"command {collection}", attributes=attributes) as span,
    ):
        yield span
