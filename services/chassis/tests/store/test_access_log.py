"""The access log: each read of personal data is recorded before the data are returned."""

from datetime import UTC, datetime
from typing import Any

import pytest
from chassis.access_log import AccessLog, AccessRecord
from chassis.caller import Caller, Kind
from chassis.rpc.current import Call
from chassis.store import StoreUnavailable

pytestmark = pytest.mark.real

NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)
CLERK = Caller(kind=Kind.OFFICER, id="o-1", person="p-1", roles=frozenset({"clerk"}), office="giza-01")


def call(caller: Caller = CLERK) -> Call:
    return Call(caller=caller, rpc="bench.Get", now=NOW, correlation="", hashed=lambda *_: "")


async def records(bench: Any) -> list[dict[str, Any]]:
    documents = bench.accounts.collection.database["access_log"].find({})
    return [document["state"] async for document in documents]


async def test_a_record_has_all_fields(bench: Any) -> None:
    """Caller with person and office, RPC, purpose, subjects, and time of the call."""
    log = await AccessLog.open(bench.database)

    await log.record(call(), ["c-1", "c-2"], purpose="complaint 17")

    (loaded,) = await log.records.find({"state.subject_ids": "c-2"}, limit=10)
    assert loaded == AccessRecord(
        caller_kind=Kind.OFFICER,
        caller_id="o-1",
        person_id="p-1",
        acting_for="",
        office_id="giza-01",
        rpc="bench.Get",
        purpose="complaint 17",
        subject_ids=("c-1", "c-2"),
        time=NOW,
    )


async def test_each_read_has_its_own_record(bench: Any) -> None:
    """A repeated call is recorded twice; a service is recorded with the account that it acts for."""
    log = await AccessLog.open(bench.database)
    service = Caller(kind=Kind.SERVICE, id="notary", acting_for="a-1")

    for caller in (CLERK, CLERK, service):
        await log.record(call(caller), ["c-1"])

    kept = await records(bench)
    assert sorted((each["caller_id"], each["acting_for"]) for each in kept) == [
        ("notary", "a-1"),
        ("o-1", ""),
        ("o-1", ""),
    ]


async def test_a_read_that_cannot_be_recorded_is_refused(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store is unavailable: the caller receives an error instead of the data."""
    monkeypatch.setattr("chassis.commands.run.STORE_TIMEOUT_SECONDS", 0)
    log = await AccessLog.open(bench.database)
    await bench.database.close()

    with pytest.raises(StoreUnavailable):
        await log.record(call(), ["c-1"])
