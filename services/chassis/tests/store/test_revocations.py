"""The revocations that a service keeps: recorded in its store, read into the memory of each API process."""

import asyncio
import math
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from chassis import revocations as module
from chassis import telemetry
from chassis.caller import Caller, Kind
from chassis.revocations import Revocations
from chassis.store import Database, Revocation, StoreUnavailable

pytestmark = pytest.mark.real

LIFETIME = timedelta(minutes=16)


def now() -> datetime:
    return datetime.now(UTC)


def caller(*, session: str = "", subject: str = "", issued: datetime | None = None) -> Caller:
    return Caller(
        kind=Kind.CITIZEN,
        id=subject or str(uuid4()),
        session=session or str(uuid4()),
        issued_at=issued or now().replace(microsecond=0),
    )


def session(name: str, expires: datetime | None = None) -> Revocation:
    expires = expires or now() + LIFETIME
    return Revocation(id=name, before=expires, expires=expires)


@pytest.fixture
async def database(store_uri: str, store_name: str) -> Any:
    database = await Database.open(
        store_uri,
        store_name,
        encode_event=lambda *_: None,
        refusals=frozenset(),  # type: ignore[arg-type, return-value]
    )
    yield database
    await database.close()


@pytest.fixture(autouse=True)
def _metrics() -> None:
    telemetry.install(telemetry.Telemetry("trial", "0"))


def metric(name: str) -> float:
    value = telemetry.current().registry.get_sample_value(name)
    assert value is not None
    return value


async def test_a_revoked_session_is_refused_and_no_other(database: Database) -> None:
    """By the log alone, by memory, and by a process that starts later."""
    revoked, other = caller(session="s-1"), caller(session="s-2")
    await database.revocations.put(session("s-1"))
    unstarted, read = Revocations(database.revocations), Revocations(database.revocations)
    await read.read()

    for each in (unstarted, read):
        assert await each.is_revoked(revoked)
        assert not await each.is_revoked(other)
    assert metric("diwan_revoked_tokens_refused_total") == 2


async def test_a_revoked_subject_keeps_the_tokens_issued_later(database: Database) -> None:
    """All sessions up to the whole second of the revocation; an older revocation that arrives later changes nothing."""
    time = now().replace(microsecond=300_000)
    await database.revocations.put(Revocation(id="a-1", before=time, expires=now() + LIFETIME))
    older = Revocation(id="a-1", before=time - timedelta(minutes=5), expires=now() + timedelta(minutes=1))
    await database.revocations.put(older)
    second = time.replace(microsecond=0)
    read = Revocations(database.revocations)
    await read.read()

    assert await read.is_revoked(caller(subject="a-1", issued=second))
    assert await read.is_revoked(caller(subject="a-1", issued=second - timedelta(minutes=3)))
    assert not await read.is_revoked(caller(subject="a-1", issued=second + timedelta(seconds=1)))


async def test_tokens_of_services_are_not_revoked(database: Database) -> None:
    """They belong to no session; nor do anonymous callers."""
    await database.revocations.put(session("notary"))
    service = Caller(kind=Kind.SERVICE, id="notary", issued_at=now())

    assert not await Revocations(database.revocations).is_revoked(service)
    assert not await Revocations(database.revocations).is_revoked(Caller())


async def test_a_running_process_learns_of_new_revocations(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads the new records, and asks the store nothing for a call."""
    monkeypatch.setattr(module, "READ_SECONDS", 0.02)
    running = Revocations(database.revocations)
    await running.start()
    revoked = caller(session="s-late")
    async with asyncio.timeout(30):
        while math.isnan(metric("diwan_revocations_known")):  # noqa: ASYNC110 -- a gauge sends no notification
            await asyncio.sleep(0.01)
        assert not await running.is_revoked(revoked)
        await database.revocations.put(session("s-late"))
        while not await running.is_revoked(revoked):  # noqa: ASYNC110 -- as above
            await asyncio.sleep(0.01)
        while metric("diwan_revocations_known") != 1:  # noqa: ASYNC110 -- as above
            await asyncio.sleep(0.01)

    async def unasked(ids: object) -> list[Revocation]:
        raise AssertionError(ids)

    monkeypatch.setattr(database.revocations, "find", unasked)
    assert await running.is_revoked(revoked)
    await running.stop()


async def test_records_of_writers_with_wrong_clocks_are_read(database: Database) -> None:
    """The order of the records is that of the store's clock."""
    read = Revocations(database.revocations)
    await database.revocations.put(session("s-0", now() + timedelta(hours=2)))
    await read.read()

    await database.revocations.put(session("s-1", now() + timedelta(minutes=1)))
    await read.read()

    assert await read.is_revoked(caller(session="s-0"))
    assert await read.is_revoked(caller(session="s-1"))


@pytest.mark.parametrize("known", [False, True], ids=["at the start", "while it runs"])
async def test_memory_is_bounded_and_the_store_is_asked_beyond(
    database: Database, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    """A revoked token is refused as before; once enough have expired, memory is used again."""
    read = Revocations(database.revocations, limit=3)
    if known:
        await read.read()
    for number in range(3):
        await database.revocations.put(session(f"s-{number}", now() + timedelta(minutes=5)))
    await database.revocations.put(session("s-3"))
    for _ in range(3):
        await read.read()

    assert len(read._known) == 0
    assert await read.is_revoked(caller(session="s-3"))
    assert await read.is_revoked(caller(session="s-0"))
    assert not await read.is_revoked(caller(session="s-4"))

    monkeypatch.setattr(database.revocations, "_clock", lambda: now() + timedelta(minutes=6))
    read._reload_at = -math.inf
    await read.read()

    assert set(read._known) == {"s-3"}
    assert await read.is_revoked(caller(session="s-3"))


async def test_expired_revocations_leave_memory(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that is in force is read again once a minute."""
    monkeypatch.setattr(module, "_RELOAD_SECONDS", 0.0)
    read = Revocations(database.revocations)
    await database.revocations.put(session("s-short", now() + timedelta(minutes=5)))
    await database.revocations.put(session("s-long"))
    await read.read()
    assert set(read._known) == {"s-short", "s-long"}

    monkeypatch.setattr(database.revocations, "_clock", lambda: now() + timedelta(minutes=6))
    await read.read()

    assert set(read._known) == {"s-long"}


async def test_stale_memory_is_not_trusted(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the store is away, a call is refused as unavailable instead of being accepted."""
    monkeypatch.setattr(module, "FRESH_SECONDS", 0.0)
    read = Revocations(database.revocations)
    await read.read()
    await database.revocations.put(session("s-new"))
    await asyncio.sleep(0.01)

    assert await read.is_revoked(caller(session="s-new"))
    await database.close()
    with pytest.raises(StoreUnavailable):
        await read.is_revoked(caller(session="s-new"))


async def test_concurrent_records_of_one_session_are_one(database: Database) -> None:
    """Two processes may handle the same event at the same time."""
    await asyncio.gather(*(database.revocations.put(session("s-same")) for _ in range(20)))

    assert [each.id for each in await database.revocations.recorded_since(None, 10)] == ["s-same"]
