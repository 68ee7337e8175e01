"""Derived names on the broker: the exchange and queues of a connector's retries and parked messages.

This module imports no gRPC and no store, because connectors use it too.
"""


def retry_exchange(reader: str) -> str:
    """The direct exchange to a connector's retry queues, its parked queues and the queues of its events."""
    return f"{reader}.retry"


def retry_queue(queue: str, attempt: int) -> str:
    """The queue of a connector's messages after their n-th attempt, from 1."""
    return f"{queue}.retry.{attempt}"


def parked_queue(queue: str) -> str:
    """The queue of a connector's parked messages."""
    return f"{queue}.parked"
