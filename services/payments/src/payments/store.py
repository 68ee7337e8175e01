"""Payments' collections, their indexes, and the questions asked of them. Only this room knows documents."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chassis.pages import Place
from chassis.store import Aggregates, Codec, Database, Index, Limits, dataclass_codec
from chassis.store.driver import translated

from payments.model.journal import Entry, check_legs
from payments.model.payment import Payment
from payments.model.tariff import Schedule

SCHEMA_VERSION = 1
SCHEDULE = "schedule"
"""The one schedule of fees."""

_SCHEDULE_BYTES = 8 * 1024 * 1024
_OLDEST = [("state.book_time", 1), ("_id", 1)]


class EntryCodec:
    """Journal entries as documents. Checked both ways: none that does not balance is written or believed."""

    def __init__(self) -> None:
        self._codec: Codec[Entry] = dataclass_codec(Entry)

    def encode(self, state: Entry, /) -> dict[str, Any]:
        check_legs(state.legs)
        return self._codec.encode(state)

    def decode(self, document: Mapping[str, Any], /) -> Entry:
        return self._codec.decode(document)  # making an Entry checks its legs


@dataclass(frozen=True)
class Balance:
    """What the journal sums to, in piastres, and how many entries do not sum to zero by themselves."""

    imbalance: int
    unbalanced_entries: int


@dataclass(frozen=True)
class Store:
    """The schedule of fees, payments, and the journal."""

    schedules: Aggregates[Schedule]
    payments: Aggregates[Payment]
    entries: Aggregates[Entry]

    @classmethod
    async def open(cls, database: Database) -> "Store":
        """Open the collections and make their indexes."""
        return cls(
            await database.aggregates(
                "schedules",
                dataclass_codec(Schedule),
                limits=Limits(document_bytes=_SCHEDULE_BYTES, batch_bytes=_SCHEDULE_BYTES),
            ),
            await database.aggregates("payments", dataclass_codec(Payment)),
            await database.aggregates(
                "entries",
                EntryCodec(),
                indexes=[
                    Index(name="oldest", keys=_OLDEST),
                    Index(name="payment", keys=[("state.payment_id", 1), *_OLDEST]),
                    Index(name="account", keys=[("state.legs.account", 1), *_OLDEST]),
                ],
            ),
        )

    async def schedule(self) -> Schedule:
        """Every fee ever published."""
        loaded = await self.schedules.load(SCHEDULE)
        return loaded.state if loaded else Schedule()

    async def payment(self, payment_id: str) -> Payment | None:
        """One payment by id."""
        loaded = await self.payments.load(payment_id)
        return loaded.state if loaded else None

    async def oldest(self, *, payment_id: str, account: str, after: Place | None, limit: int) -> list[Entry]:
        """Journal entries, oldest first; of a payment, or with a leg on an account, where one is named."""
        where: dict[str, Any] = {}
        if payment_id:
            where["state.payment_id"] = payment_id
        if account:
            where["state.legs.account"] = account
        if after is not None:
            where["$or"] = [
                {"state.book_time": {"$gt": after.time}},
                {"state.book_time": after.time, "_id": {"$gt": after.id}},
            ]
        return await self.entries.find(where, sort=_OLDEST, limit=limit)

    async def balance(self) -> Balance:
        """Sum the whole journal in the store itself, whatever wrote it."""
        unbalanced = {"$cond": [{"$ne": ["$sum", 0]}, 1, 0]}
        with translated():
            cursor = self.entries.collection.aggregate(
                [
                    {"$unwind": "$state.legs"},
                    {"$group": {"_id": "$_id", "sum": {"$sum": "$state.legs.amount"}}},
                    {"$group": {"_id": None, "sum": {"$sum": "$sum"}, "unbalanced": {"$sum": unbalanced}}},
                ]
            )
            found = await cursor.to_list(1)
        if not found:
            return Balance(0, 0)
        return Balance(int(found[0]["sum"]), int(found[0]["unbalanced"]))
