"""Errors of the store. Their texts never contain a key, a value or a document."""

import math
from datetime import timedelta

from chassis.errors import RETRY_AFTER, ChassisError


class StoreError(ChassisError):
    """Base of the store's errors. `reason` and `code` (canonical name) are returned to callers of the service."""

    reason = "STORE_FAILED"
    code = "INTERNAL"


class Conflict(StoreError):
    """A concurrent change, or a write with an unknown result. Load again and check whether the cause is recorded."""

    reason = "VERSION_CONFLICT"
    code = "ABORTED"

    def __init__(self) -> None:
        super().__init__("the aggregate has changed since it was loaded")


class Duplicate(StoreError):
    """A unique index forbids this document; `index` is its declared name, or `_id`."""

    reason = "DUPLICATE"
    code = "ALREADY_EXISTS"

    def __init__(self, index: str) -> None:
        super().__init__(f"the unique index {index} contains this key already")
        self.index = index


class StoreUnavailable(StoreError):
    """The server did not respond. A running write may or may not have happened; a retry of the command settles it."""

    reason = "STORE_UNAVAILABLE"
    code = "UNAVAILABLE"

    def __init__(self) -> None:
        super().__init__("the store does not answer")


class LimitExceeded(StoreError):
    """A document or a list would exceed its limit; `what` names the limited quantity."""

    reason = "LIMIT_EXCEEDED"
    code = "RESOURCE_EXHAUSTED"

    def __init__(self, what: str, limit: int) -> None:
        super().__init__(f"more {what} than the limit of {limit}", what=what, limit=str(limit))
        self.what = what
        self.limit = limit


class RequestLimitReached(StoreError):
    """The aggregate remembers as many requests as it may; the metadata has the pause until it forgets one."""

    reason = "REQUEST_LIMIT_REACHED"
    code = "RESOURCE_EXHAUSTED"

    def __init__(self, limit: int, retry_after: timedelta) -> None:
        super().__init__(
            f"more than {limit} requests for one object within 24 hours; the next one is accepted after the pause",
            limit=str(limit),
            **{RETRY_AFTER: str(max(1, math.ceil(retry_after.total_seconds())))},
        )


class Rejected(StoreError):
    """The server rejected the operation with a permanent error; `number` is its error code."""

    def __init__(self, number: int) -> None:
        super().__init__(f"the store rejected the operation with error {number}")
        self.number = number


class Unstorable(StoreError):
    """A state cannot be written as a document, or a document cannot be read as a state."""

    reason = "UNSTORABLE"


class SchemaTooNew(StoreError):
    """The database was written by a newer version of this service, which this one could damage."""

    reason = "SCHEMA_TOO_NEW"
    code = "FAILED_PRECONDITION"

    def __init__(self, found: int, known: int) -> None:
        super().__init__(
            f"the database has schema version {found}, this program supports {known}: start a newer one"
        )
        self.found = found
        self.known = known
