"""Names on the broker that follow from others: what a connector's retries and parked messages go through.

Imports no gRPC and no store: connectors use it too.
"""


def retry_exchange(reader: str) -> str:
    """The direct exchange through which a connector, or an operator, puts a message aside and back."""
    return f"{reader}.retry"


def retry_queue(queue: str, attempt: int) -> str:
    """Where a connector's message waits after its n-th attempt, from 1."""
    return f"{queue}.retry.{attempt}"


def parked_queue(queue: str) -> str:
    """Where a connector's queue puts what it gave up."""
    return f"{queue}.parked"
