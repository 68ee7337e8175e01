"""Round trips of the store, counted by the service's own metric."""

from chassis import telemetry


def loads(collection: str) -> int:
    """The round trips so far in which this process loaded aggregates of a collection.

    A command alone in its process makes one for its aggregate.
    """
    count = telemetry.current().registry.get_sample_value(
        "diwan_store_batch_operations_count", {"operation": "find", "collection": collection}
    )
    return int(count or 0)
