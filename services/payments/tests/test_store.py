"""The journal's guards in the store itself."""

import math
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from chassis.store import Cause, Change, Database, StoreUnavailable, Unstorable, cause_id
from chassis.telemetry import Telemetry
from payments import audit
from payments.audit import Audit
from payments.context import Context
from payments.errors import ERRORS
from payments.metrics import Metrics
from payments.model import journal
from payments.model.errors import EntryUnbalanced
from payments.store import Store

pytestmark = pytest.mark.real

NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)


@pytest.fixture
async def database(store_uri: str, store_name: str) -> AsyncIterator[Database]:
    opened = await Database.open(store_uri, store_name, encode_event=nothing_goes_out, refusals=ERRORS)
    yield opened
    await opened.close()


def nothing_goes_out(*_: Any) -> Any:
    raise AssertionError("the journal publishes nothing")


def change(entry: journal.Entry) -> Change[journal.Entry]:
    cause = Cause(id=cause_id("test", entry.entry_id), now=NOW)
    return Change(id=entry.entry_id, base=None, state=entry, now=NOW, cause=cause.id, processed_event=NOW)


@dataclass
class Books:
    """An audit, and what it shows."""

    store: Store
    telemetry: Telemetry = field(default_factory=lambda: Telemetry("payments", "0"))

    def __post_init__(self) -> None:
        metrics = Metrics(self.telemetry)
        self.audit = Audit(Context(self.store, metrics, timedelta(minutes=10), lambda: NOW))

    def shown(self) -> tuple[float | None, float | None]:
        """Imbalance and crooked entries."""
        show = self.telemetry.registry.get_sample_value
        return (
            show("diwan_payments_ledger_imbalance_piastres"),
            show("diwan_payments_ledger_unbalanced_entries"),
        )

    def looked(self, scope: str) -> float | None:
        """When the audit came to an end."""
        show = self.telemetry.registry.get_sample_value
        return show("diwan_payments_ledger_audit_timestamp_seconds", {"scope": scope})

    async def book(self, name: str, *, off: int = 0, time: datetime = NOW) -> None:
        """Book an entry, and let a hand change it by so many piastres."""
        entry = journal.due(name, "p-1", "a-1", agency="notary", fee=12_000, now=time)
        await self.store.entries.save(change(entry))
        if off:
            await self.store.entries.collection.update_one(
                {"_id": name}, {"$set": {"state.legs.0.amount": 12_000 + off}}
            )


@pytest.fixture
async def books(database: Database) -> Books:
    return Books(await Store.open(database))


async def test_books_that_balance_show_zero_once_they_were_looked_at(books: Books) -> None:
    """Before that nobody knows, and says so."""
    before = books.shown()
    await books.book("e-1")

    await books.audit.run()

    assert all(math.isnan(each or 0) for each in before)
    assert books.shown() == (0, 0)
    assert books.looked("recent") == books.looked("whole") == NOW.timestamp()


async def test_a_failed_audit_shows_that_nothing_is_known(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it showed before is no news of now."""
    await books.audit.run()

    async def away(*_: object) -> None:
        raise StoreUnavailable

    monkeypatch.setattr(Store, "sums", away)
    with pytest.raises(StoreUnavailable):
        await books.audit.run()

    assert all(math.isnan(each or 0) for each in books.shown())


async def test_a_long_journal_is_looked_over_in_pieces(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    """New entries at once, old ones as the walk comes to them; then all over again."""
    monkeypatch.setattr(audit, "PAGE", 2)
    monkeypatch.setattr(audit, "MOST_PAGES", 1)
    for number in range(4):
        await books.book(f"old-{number}", off=number, time=NOW - timedelta(days=2) + timedelta(hours=number))
    await books.book("new", off=-10)

    seen = []
    for _ in range(3):
        await books.audit.run()
        seen.append((*books.shown(), books.looked("whole") is not None))

    assert seen == [(-9, 2, False), (-4, 4, False), (-4, 4, True)]


async def test_what_was_mended_is_forgotten_after_a_whole_walk(books: Books) -> None:
    """The metrics come back to zero by themselves."""
    await books.book("e-1", off=5)
    await books.audit.run()
    await books.store.entries.collection.update_one({"_id": "e-1"}, {"$set": {"state.legs.0.amount": 12_000}})

    await books.audit.run()

    assert books.shown() == (0, 0)


async def test_an_entry_that_does_not_balance_is_not_written(database: Database) -> None:
    """Not even one that got past its own making."""
    store = await Store.open(database)
    crooked = journal.due("e-2", "p-1", "a-1", agency="notary", fee=12_000, now=NOW)
    object.__setattr__(crooked, "legs", (*crooked.legs, journal.Leg("platform", 1)))

    with pytest.raises(EntryUnbalanced):
        await store.entries.save(change(crooked))

    assert await store.entries.load("e-2") is None


async def test_a_hand_in_the_books_is_found(books: Books) -> None:
    """A document changed behind our back is counted by the audit, and not believed when it is read."""
    await books.book("e-1", off=1)

    await books.audit.run()

    assert books.shown() == (1, 1)
    with pytest.raises((EntryUnbalanced, Unstorable)):
        await books.store.entries.load("e-1")
