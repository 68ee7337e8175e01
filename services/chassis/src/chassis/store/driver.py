"""The driver's errors, turned into ours. Their texts and details hold keys and documents: they end here."""

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

# A batch gets out as an error only for its write concern: written here, not known to be kept.
_UNKNOWN_FATE = (BulkWriteError, ExecutionTimeout, WTimeoutError)
DUPLICATE_KEY = 11000
WRITE_CONFLICT = 112


def translate(error: PyMongoError) -> StoreError:
    """The error of ours for a whole operation that failed."""
    refused = isinstance(error, OperationFailure) and not isinstance(error, _UNKNOWN_FATE)
    return Rejected(getattr(error, "code", None) or 0) if refused else StoreUnavailable()


@contextmanager
def translated() -> Iterator[None]:
    """Raise our errors for the driver's; none of its text goes along as a cause."""
    try:
        yield
    except PyMongoError as error:
        raise translate(error) from None
