"""The store: one command, one document, one write. Only it and the services' `store.py` know the driver."""

from chassis.store.aggregates import Aggregates, EncodeEvent
from chassis.store.cause import Cause, cause_id
from chassis.store.change_stream import ChangeStream
from chassis.store.codec import Codec, dataclass_codec
from chassis.store.database import Database
from chassis.store.document import REQUEST_INDEX, Change, KeptAnswer, KeptRefusal, Loaded, Saved
from chassis.store.envelope import EventContext, Key, OutboxEntry, Unsent
from chassis.store.errors import (
    Conflict,
    Duplicate,
    LimitExceeded,
    Rejected,
    RequestLimitReached,
    SchemaTooNew,
    StoreError,
    StoreUnavailable,
    Unstorable,
)
from chassis.store.inbox import Inbox, InboxEntry, InboxFilter
from chassis.store.indexes import Index
from chassis.store.lease import Lease
from chassis.store.limits import Limits
from chassis.store.outbox import Outbox
from chassis.store.revocations import Revocation, RevocationLog

__all__ = [
    "REQUEST_INDEX",
    "Aggregates",
    "Cause",
    "Change",
    "ChangeStream",
    "Codec",
    "Conflict",
    "Database",
    "Duplicate",
    "EncodeEvent",
    "EventContext",
    "Inbox",
    "InboxEntry",
    "InboxFilter",
    "Index",
    "KeptAnswer",
    "KeptRefusal",
    "Key",
    "Lease",
    "LimitExceeded",
    "Limits",
    "Loaded",
    "Outbox",
    "OutboxEntry",
    "Rejected",
    "RequestLimitReached",
    "Revocation",
    "RevocationLog",
    "Saved",
    "SchemaTooNew",
    "StoreError",
    "StoreUnavailable",
    "Unsent",
    "Unstorable",
    "cause_id",
    "dataclass_codec",
]
