"""Translation of the driver's errors. Their texts and details contain keys and documents, so they are dropped."""

from collections.abc import Iterator
from contextlib import contextmanager

from pymongo.errors import (
    BulkWriteError,
    ExecutionTimeout,
    OperationFailure,
    PyMongoError,
    WTimeoutError,
)

from chassis.store.errors import Rejected, StoreError, StoreUnavailable

# Errors after which a write may or may not be durable. A batch raises only for its write concern.
_OUTCOME_UNKNOWN = (BulkWriteError, ExecutionTimeout, WTimeoutError)
DUPLICATE_KEY = 11000
WRITE_CONFLICT = 112


def translate(error: PyMongoError) -> StoreError:
    """The store's error for a failed operation."""
    refused = isinstance(error, OperationFailure) and not isinstance(error, _OUTCOME_UNKNOWN)
    return Rejected(getattr(error, "code", None) or 0) if refused else StoreUnavailable()


@contextmanager
def translated() -> Iterator[None]:
    """Raise the store's errors for the driver's, without the original as a cause."""
    try:
        yield
    except PyMongoError as error:
        raise translate(error) from None
