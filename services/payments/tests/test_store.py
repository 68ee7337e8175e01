"""The journal in the store: unbalanced entries are not written, and the audit finds them."""

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
    opened = await Database.open(store_uri, store_name, encode_event=refuse_to_encode, refusals=ERRORS)
    yield opened
    await opened.close()


def refuse_to_encode(*_: Any) -> Any:
    raise AssertionError("the journal publishes nothing")


def change(entry: journal.Entry) -> Change[journal.Entry]:
    cause = Cause(id=cause_id("test", entry.entry_id), now=NOW)
    return Change(id=entry.entry_id, base=None, state=entry, now=NOW, cause=cause.id, processed_event=NOW)


@dataclass
class AuditedJournal:
    """An audit of a store, and its metrics."""

    store: Store
    telemetry: Telemetry = field(default_factory=lambda: Telemetry("payments", "0"))

    def __post_init__(self) -> None:
        metrics = Metrics(self.telemetry)
        self.audit = Audit(Context(self.store, metrics, timedelta(minutes=10), lambda: NOW))

    def metrics(self) -> tuple[float | None, float | None]:
        """Return the imbalance in piastres and the number of unbalanced entries."""
        sample = self.telemetry.registry.get_sample_value
        return (
            sample("diwan_payments_ledger_imbalance_piastres"),
            sample("diwan_payments_ledger_unbalanced_entries"),
        )

    def audited_at(self, scope: str) -> float | None:
        """Return the end of the last audit of a scope, seconds since the epoch."""
        sample = self.telemetry.registry.get_sample_value
        return sample("diwan_payments_ledger_audit_timestamp_seconds", {"scope": scope})

    async def book(self, name: str, *, error: int = 0, time: datetime = NOW) -> None:
        """Book an entry, and change its stored amount by `error` piastres."""
        entry = journal.due(name, "p-1", "a-1", agency="notary", fee=12_000, now=time)
        await self.store.entries.save(change(entry))
        if error:
            await self.store.entries.collection.update_one(
                {"_id": name}, {"$set": {"state.legs.0.amount": 12_000 + error}}
            )


@pytest.fixture
async def audited_journal(database: Database) -> AuditedJournal:
    return AuditedJournal(await Store.open(database))


async def test_an_audit_of_a_balanced_journal_sets_the_metrics_to_zero(
    audited_journal: AuditedJournal,
) -> None:
    """Before the first audit they are NaN."""
    before = audited_journal.metrics()
    await audited_journal.book("e-1")

    await audited_journal.audit.run()

    assert all(math.isnan(each or 0) for each in before)
    assert audited_journal.metrics() == (0, 0)
    assert audited_journal.audited_at("recent") == audited_journal.audited_at("whole") == NOW.timestamp()


async def test_a_failed_audit_sets_the_metrics_to_nan(
    audited_journal: AuditedJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The values of the last audit are outdated."""
    await audited_journal.audit.run()

    async def away(*_: object) -> None:
        raise StoreUnavailable

    monkeypatch.setattr(Store, "sums", away)
    with pytest.raises(StoreUnavailable):
        await audited_journal.audit.run()

    assert all(math.isnan(each or 0) for each in audited_journal.metrics())


async def test_a_long_journal_is_audited_in_pieces(
    audited_journal: AuditedJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each run covers the recent entries and one piece of the older ones; after the last piece it starts again."""
    monkeypatch.setattr(audit, "PAGE", 2)
    monkeypatch.setattr(audit, "MOST_PAGES", 1)
    for number in range(4):
        await audited_journal.book(
            f"old-{number}", error=number, time=NOW - timedelta(days=2) + timedelta(hours=number)
        )
    await audited_journal.book("new", error=-10)

    results = []
    for _ in range(3):
        await audited_journal.audit.run()
        results.append((*audited_journal.metrics(), audited_journal.audited_at("whole") is not None))

    assert results == [(-9, 2, False), (-4, 4, False), (-4, 4, True)]


async def test_a_corrected_entry_is_dropped_after_a_whole_audit(audited_journal: AuditedJournal) -> None:
    """The metrics return to zero by themselves."""
    await audited_journal.book("e-1", error=5)
    await audited_journal.audit.run()
    await audited_journal.store.entries.collection.update_one(
        {"_id": "e-1"}, {"$set": {"state.legs.0.amount": 12_000}}
    )

    await audited_journal.audit.run()

    assert audited_journal.metrics() == (0, 0)


async def test_an_entry_that_does_not_balance_is_not_written(database: Database) -> None:
    """The store checks it again, also when the entry was changed after its creation."""
    store = await Store.open(database)
    unbalanced = journal.due("e-2", "p-1", "a-1", agency="notary", fee=12_000, now=NOW)
    object.__setattr__(unbalanced, "legs", (*unbalanced.legs, journal.Leg("platform", 1)))

    with pytest.raises(EntryUnbalanced):
        await store.entries.save(change(unbalanced))

    assert await store.entries.load("e-2") is None


async def test_a_manipulated_entry_is_found(audited_journal: AuditedJournal) -> None:
    """An entry changed in the store is counted by the audit, and cannot be loaded."""
    await audited_journal.book("e-1", error=1)

    await audited_journal.audit.run()

    assert audited_journal.metrics() == (1, 1)
    with pytest.raises((EntryUnbalanced, Unstorable)):
        await audited_journal.store.entries.load("e-1")
