"""Payments' collections, their indexes and their queries. No other module handles documents."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chassis.pages import Cursor, Page
from chassis.store import Aggregates, Codec, Database, Index, Limits, dataclass_codec

from payments.model.journal import Entry, check_legs
from payments.model.payment import Payment
from payments.model.tariff import Schedule

SCHEMA_VERSION = 1
SCHEDULE = "schedule"
"""Id of the one schedule of fees."""

_SCHEDULE_BYTES = 8 * 1024 * 1024
_MOST_PAYMENTS_OF_A_CASE = 20
_OLDEST = [("state.book_time", 1)]
_LAST_REQUEST = [("state.last_request_time", 1)]


class EntryCodec:
    """Codec of journal entries. It checks the balance on write and on read; EntryUnbalanced."""

    def __init__(self) -> None:
        self._codec: Codec[Entry] = dataclass_codec(Entry)

    def encode(self, state: Entry, /) -> dict[str, Any]:
        check_legs(state.legs)
        return self._codec.encode(state)

    def decode(self, document: Mapping[str, Any], /) -> Entry:
        return self._codec.decode(document)  # the constructor of Entry checks its legs


@dataclass(frozen=True)
class Store:
    """The schedule of fees, payments, and the journal."""

    schedules: Aggregates[Schedule]
    payments: Aggregates[Payment]
    entries: Aggregates[Entry]

    @classmethod
    async def open(cls, database: Database) -> "Store":
        """Open the collections and create their indexes."""
        return cls(
            await database.aggregates(
                "schedules",
                dataclass_codec(Schedule),
                limits=Limits(document_bytes=_SCHEDULE_BYTES, batch_bytes=_SCHEDULE_BYTES),
            ),
            await database.aggregates(
                "payments",
                dataclass_codec(Payment),
                indexes=[
                    # Only payments with a charge under way, which are few.
                    Index(
                        name="last_request",
                        keys=_LAST_REQUEST,
                        where={"state.last_request_time": {"$type": "date"}},
                    ),
                    Index(name="request_number", keys=[("state.request_number", 1)]),
                ],
                correlation=lambda payment: payment.request_number,
            ),
            await database.aggregates(
                "entries",
                EntryCodec(),
                indexes=[
                    Index(name="oldest", keys=[*_OLDEST, ("_id", 1)]),
                    Index(name="payment", keys=[("state.payment_id", 1), *_OLDEST, ("_id", 1)]),
                    Index(name="account", keys=[("state.legs.account", 1), *_OLDEST, ("_id", 1)]),
                ],
            ),
        )

    async def schedule(self) -> Schedule:
        """The schedule of all published fees, past ones included."""
        loaded = await self.schedules.load(SCHEDULE)
        return loaded.state if loaded else Schedule()

    async def payment(self, payment_id: str) -> Payment | None:
        """One payment by id."""
        loaded = await self.payments.load(payment_id)
        return loaded.state if loaded else None

    async def due_for_inquiry(self, before: datetime, limit: int) -> list[Payment]:
        """Payments with a charge under way whose last request is not after `before`, oldest first."""
        where = {"state.last_request_time": {"$type": "date", "$lte": before}}
        return await self.payments.find(where, sort=_LAST_REQUEST, limit=limit)

    async def payments_of(self, request_number: str) -> list[str]:
        """The ids of the payments for a case, in order."""
        payments = await self.payments.find(
            {"state.request_number": request_number}, sort=[("_id", 1)], limit=_MOST_PAYMENTS_OF_A_CASE
        )
        return [payment.payment_id for payment in payments]

    async def oldest(
        self, *, payment_ids: Sequence[str] | None, account: str, page_size: int, page_token: str
    ) -> Page[Entry]:
        """A page of journal entries, oldest first; with the given payments or a leg on the given account, if any."""
        where: dict[str, Any] = {}
        if payment_ids is not None:
            where["state.payment_id"] = {"$in": list(payment_ids)}
        if account:
            where["state.legs.account"] = account
        return await self.entries.page(where, sort=_OLDEST, page_size=page_size, page_token=page_token)

    async def sums(self, after: Cursor | None, limit: int) -> list[tuple[Cursor, int]]:
        """The position of each stored entry and the sum of its legs (piastres), oldest first, without decoding."""
        entries = await self.entries.scan(["state.legs.amount"], sort=_OLDEST, after=after, limit=limit)
        return [(cursor, sum(leg["amount"] for leg in entry["state"]["legs"])) for cursor, entry in entries]
