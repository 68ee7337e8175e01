"""Round trips to the store, from the service's own metric."""

from chassis import telemetry


def loads(collection: str) -> int:
    """The number of round trips in which this process has loaded aggregates of a collection.

    A command without concurrent ones adds one for its aggregate.
    """
    count = telemetry.current().registry.get_sample_value(
        "diwan_store_batch_operations_count", {"operation": "find", "collection": collection}
    )
    return int(count or 0)
