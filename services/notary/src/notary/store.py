"""Notary's collections, their indexes and their queries. No other module handles documents."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chassis.access_log import AccessLog
from chassis.pages import Page
from chassis.store import (
    Aggregates,
    Cause,
    Change,
    Database,
    Duplicate,
    Index,
    Limits,
    dataclass_codec,
)
from chassis.store.driver import translated

from notary.model.drafting import Drafting
from notary.model.power_of_attorney import PowerOfAttorney, Reviewer, State

SCHEMA_VERSION = 1
NUMBER = "number"
OPEN_REVIEWER = "open_reviewer"
CANDIDATES = 32
"""Limit of waiting cases that one query of a claim returns."""

DOCUMENT_BYTES = 8 * 1024 * 1024

_FILLED = {"$gt": ""}
"""Matches non-empty texts. With `$type` instead, a query for one text could not use the partial index."""

_NEWEST = [("state.create_time", -1)]

_INDEXES = (
    Index(name=NUMBER, keys=[("state.number", 1)], unique=True),
    Index(
        name=OPEN_REVIEWER,
        keys=[("state.open_reviewer", 1)],
        unique=True,
        where={"state.open_reviewer": _FILLED},
    ),
    Index(name="queue", keys=[("state.state", 1), ("state.queue_time", 1), ("_id", 1)]),
    Index(name="claim", keys=[("state.claims.id", 1)], where={"state.claims.id": _FILLED}),
    Index(
        name="principal",
        keys=[("state.content.principal.account_id", 1), *_NEWEST, ("_id", -1)],
    ),
    Index(name="office", keys=[("state.office_id", 1), *_NEWEST, ("_id", -1)]),
)


@dataclass(frozen=True)
class Document:
    """A signed PDF, stored under its SHA-256. A case may have several, of which one is the issued one."""

    power_of_attorney_id: str
    made_at: datetime
    pdf: bytes


@dataclass(frozen=True)
class Store:
    """Notary's collections."""

    powers_of_attorney: Aggregates[PowerOfAttorney]
    draftings: Aggregates[Drafting]
    documents: Aggregates[Document]
    access_log: AccessLog

    @classmethod
    async def open(cls, database: Database) -> "Store":
        """Open the collections and create their indexes."""
        return cls(
            await database.aggregates(
                "powers_of_attorney",
                dataclass_codec(PowerOfAttorney),
                indexes=_INDEXES,
                correlation=lambda case: case.number,
            ),
            await database.aggregates(
                "draftings",
                dataclass_codec(Drafting),
                indexes=[Index(name="forget", keys=[("state.forget_time", 1)], expire_after_seconds=0)],
            ),
            await database.aggregates(
                "documents",
                dataclass_codec(Document),
                indexes=[Index(name="case", keys=[("state.power_of_attorney_id", 1)])],
                limits=Limits(document_bytes=DOCUMENT_BYTES, batch=4, batch_bytes=DOCUMENT_BYTES),
            ),
            await AccessLog.open(database),
        )

    async def case(self, case_id: str) -> PowerOfAttorney | None:
        """One power of attorney by id."""
        loaded = await self.powers_of_attorney.load(case_id)
        return loaded.state if loaded else None

    async def by_number(self, number: str) -> PowerOfAttorney | None:
        """One power of attorney by the number that is printed on it."""
        return await self._one({"state.number": number})

    async def claimed_by_call(self, claim_id: str) -> PowerOfAttorney | None:
        """The case that this call claimed before."""
        return await self._one({"state.claims.id": claim_id})

    async def open_case_of(self, reviewer: Reviewer) -> PowerOfAttorney | None:
        """The case that a reviewer has not decided yet."""
        return await self._one({"state.open_reviewer": reviewer.id})

    async def waiting_for(self, reviewer: Reviewer) -> Sequence[PowerOfAttorney]:
        """The longest-waiting cases to which this reviewer is not a party, oldest first, at most CANDIDATES."""
        others = {"$ne": reviewer.person_id}
        return await self.powers_of_attorney.find(
            {
                "state.state": State.AWAITING_REVIEW.value,
                "state.content.principal.person_id": others,
                "state.content.agent.person_id": others,
                "state.entered_by": others,
            },
            sort=[("state.queue_time", 1), ("_id", 1)],
            limit=CANDIDATES,
        )

    async def lying_since(self, claimed_before: datetime, limit: int) -> Sequence[PowerOfAttorney]:
        """Cases that were claimed before a time and not decided."""
        return await self.powers_of_attorney.find(
            {"state.state": State.IN_REVIEW.value, "state.claim_time": {"$lt": claimed_before}}, limit=limit
        )

    async def count_waiting(self, before: datetime | None = None) -> int:
        """The number of cases that wait for a reviewer, of those queued before a time if one is given."""
        where: dict[str, Any] = {"state.state": State.AWAITING_REVIEW.value}
        if before is not None:
            where["state.queue_time"] = {"$lt": before}
        return await self.powers_of_attorney.count(where)

    async def of_principal(self, account_id: str, page_size: int, page_token: str) -> Page[PowerOfAttorney]:
        """A page of a principal's own cases, newest first; PageTokenInvalid."""
        return await self.powers_of_attorney.page(
            {"state.content.principal.account_id": account_id},
            sort=_NEWEST,
            page_size=page_size,
            page_token=page_token,
        )

    async def at_office(self, office_id: str, page_size: int, page_token: str) -> Page[PowerOfAttorney]:
        """A page of the issued cases of an office, newest first; PageTokenInvalid."""
        states = [State.ISSUED.value, State.COLLECTED.value]
        return await self.powers_of_attorney.page(
            {"state.office_id": office_id, "state.state": {"$in": states}},
            sort=_NEWEST,
            page_size=page_size,
            page_token=page_token,
        )

    async def keep_document(self, case_id: str, pdf: bytes, cause: Cause) -> str:
        """Store a signed PDF and return its SHA-256, 64 hex digits. The same bytes are stored once."""
        digest = hashlib.sha256(pdf).hexdigest()
        state = Document(case_id, cause.now, pdf)
        try:
            await self.documents.save(
                Change(
                    id=digest,
                    base=None,
                    state=state,
                    now=cause.now,
                    cause=cause.id,
                    processed_event=cause.now,
                )
            )
        except Duplicate:
            return digest
        return digest

    async def document(self, digest: str) -> bytes | None:
        """The bytes of a stored PDF, None if there is none."""
        loaded = await self.documents.load(digest)
        return loaded.state.pdf if loaded else None

    async def forget_documents(self, case_id: str, *, but: str) -> None:
        """Delete the documents of a case except the one with digest `but`."""
        with translated():
            await self.documents.collection.delete_many(
                {"state.power_of_attorney_id": case_id, "_id": {"$ne": but}}
            )

    async def _one(self, where: dict[str, Any]) -> PowerOfAttorney | None:
        cases = await self.powers_of_attorney.find(where, limit=1)
        return cases[0] if cases else None
