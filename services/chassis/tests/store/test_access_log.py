"""Who read whose data is recorded before the data is given."""

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
    found = bench.accounts.collection.database["access_log"].find({})
    return [document["state"] async for document in found]


async def test_records_who_read_what(bench: Any) -> None:
    """The caller with person and office, the RPC, the purpose, the subjects, and the time of the call."""
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


async def test_each_read_is_a_record(bench: Any) -> None:
    """The same call twice has read twice; a service that acts for an account is recorded with it."""
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


async def test_what_is_not_recorded_is_refused(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the store the caller gets an error, not the data."""
    monkeypatch.setattr("chassis.commands.run.STORE_TIMEOUT_SECONDS", 0)
    log = await AccessLog.open(bench.database)
    await bench.database.close()

    with pytest.raises(StoreUnavailable):
        await log.record(call(), ["c-1"])
