"""The journal's guards in the store itself."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from chassis.store import Cause, Change, Database, Unstorable, cause_id
from chassis.telemetry import Telemetry
from chassis.testing import store_name
from payments import queries
from payments.context import Context
from payments.errors import ERRORS
from payments.figures import Figures
from payments.model import journal
from payments.model.errors import EntryUnbalanced
from payments.store import Balance, Store

__all__ = ["store_name"]

pytestmark = pytest.mark.real

NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)
ENTRY = journal.due("e-1", "p-1", "a-1", agency="notary", fee=12_000, now=NOW)


@pytest.fixture
async def database(store_uri: str, store_name: str) -> AsyncIterator[Database]:
    opened = await Database.open(store_uri, store_name, outgoing=nothing_goes_out, refusals=ERRORS)
    yield opened
    await opened.close()


def nothing_goes_out(*_: Any) -> Any:
    raise AssertionError("the journal publishes nothing")


def change(entry: journal.Entry) -> Change[journal.Entry]:
    cause = Cause(id=cause_id("test", entry.entry_id), now=NOW)
    return Change(id=entry.entry_id, base=None, state=entry, now=NOW, cause=cause.id, seen=NOW)


async def test_the_store_sums_the_journal(database: Database) -> None:
    """Nothing in it, or entries that balance: zero."""
    store = await Store.open(database)

    empty = await store.balance()
    await store.entries.save(change(ENTRY))

    assert empty == await store.balance() == Balance(0, 0)


async def test_an_entry_that_does_not_balance_is_not_written(database: Database) -> None:
    """Not even one that got past its own making."""
    store = await Store.open(database)
    crooked = journal.due("e-2", "p-1", "a-1", agency="notary", fee=12_000, now=NOW)
    object.__setattr__(crooked, "legs", (*crooked.legs, journal.Leg("platform", 1)))

    with pytest.raises(EntryUnbalanced):
        await store.entries.save(change(crooked))

    assert await store.entries.load("e-2") is None


async def test_a_hand_in_the_books_is_found(database: Database) -> None:
    """A document changed behind our back is counted by the audit, and not believed when it is read."""
    store, telemetry = await Store.open(database), Telemetry("payments", "0")
    await store.entries.save(change(ENTRY))
    await store.entries.collection.update_one({"_id": "e-1"}, {"$set": {"state.legs.0.amount": 12_001}})

    await queries.audit(Context(store, Figures(telemetry)))

    assert await store.balance() == Balance(1, 1)
    shown = telemetry.registry.get_sample_value
    assert shown("diwan_payments_ledger_imbalance_piastres") == 1
    assert shown("diwan_payments_ledger_unbalanced_entries") == 1
    with pytest.raises((EntryUnbalanced, Unstorable)):
        await store.entries.load("e-1")
