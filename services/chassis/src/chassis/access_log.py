"""The access log: reader, subjects, time, purpose and office of each read of personal data."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self
from uuid import uuid4

from chassis.caller import Kind
from chassis.commands import Cause, Decision, execute
from chassis.rpc.current import Call
from chassis.store import Aggregates, Database, Index, dataclass_codec

COLLECTION = "access_log"
TIME = "state.time"
_INDEXES = (
    Index(name="subject", keys=[("state.subject_ids", 1), (TIME, -1)]),
    Index(name="time", keys=[(TIME, 1)]),
)


@dataclass(frozen=True, kw_only=True)
class AccessRecord:
    """One read of personal data; immutable.

    Attributes:
        caller_kind: the kind of the caller.
        caller_id: account, officer or client id of the caller, opaque.
        person_id: the person behind the caller, opaque; empty if there is none.
        acting_for: the account for which a service read; empty when it read for itself.
        office_id: the office of an officer; empty for the whole country and for other callers.
        rpc: full name of the RPC that returned the data.
        purpose: the reason given by the caller; empty where the RPC itself is the reason.
        subject_ids: opaque ids of the accounts or cases that were read.
        time: time of the read, UTC.
    """

    caller_kind: Kind
    caller_id: str
    person_id: str
    acting_for: str
    office_id: str
    rpc: str
    purpose: str
    subject_ids: tuple[str, ...]
    time: datetime


class AccessLog:
    """The access log of one service; its records are deleted only after their retention."""

    def __init__(self, records: Aggregates[AccessRecord]) -> None:
        self.records = records

    @classmethod
    async def open(cls, database: Database) -> Self:
        """Open the collection and create its indexes."""
        return cls(await database.aggregates(COLLECTION, dataclass_codec(AccessRecord), indexes=_INDEXES))

    async def record(self, call: Call, subject_ids: Sequence[str], *, purpose: str = "") -> None:
        """Record that a call reads personal data; await it before the data is returned.

        Each call makes a record of its own: a repeated request is a second read.

        Args:
            call: the call, with its caller.
            subject_ids: opaque ids of the accounts or cases; also ids from the request that do not exist.
            purpose: the reason given by the caller.

        Raises:
            StoreUnavailable: the read is not recorded, so the data must not be returned.
        """
        caller = call.caller
        record = AccessRecord(
            caller_kind=caller.kind,
            caller_id=caller.id,
            person_id=caller.person,
            acting_for=caller.acting_for,
            office_id=caller.office,
            rpc=call.rpc,
            purpose=purpose,
            subject_ids=tuple(subject_ids),
            time=call.now,
        )
        record_id = str(uuid4())
        cause = Cause(id=record_id, now=call.now)
        await execute(self.records, record_id, lambda _: Decision(state=record), cause)
