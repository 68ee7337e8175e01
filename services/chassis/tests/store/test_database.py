"""Opening a database, its queries, indexes and spans."""

import asyncio
from typing import Any

import pytest
from chassis import telemetry
from chassis.commands import execute
from chassis.store import LimitExceeded, SchemaTooNew
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

pytestmark = pytest.mark.real


async def test_a_newer_schema_is_refused(open_bench: Any) -> None:
    """An older program does not open a database that a newer one has written."""
    await open_bench(schema_version=2)
    await open_bench(schema_version=2)
    await open_bench(schema_version=3)

    with pytest.raises(SchemaTooNew) as caught:
        await open_bench(schema_version=2)

    assert (caught.value.found, caught.value.known) == (3, 2)


async def test_a_new_database_is_opened_by_concurrent_processes(open_bench: Any) -> None:
    """All of them succeed."""
    benches = await asyncio.gather(*(open_bench() for _ in range(5)))

    assert len(benches) == 5


async def test_find_returns_sorted_states(bench: Any) -> None:
    """The query uses fields of the document; its limit is bounded."""
    for n in range(5):
        await execute(bench.accounts, f"a{n}", bench.put(n), bench.request())

    found = await bench.accounts.find({"state.balance": {"$gte": 2}}, sort=[("state.balance", -1)], limit=2)

    assert [state.balance for state in found] == [4, 3]
    with pytest.raises(LimitExceeded):
        await bench.accounts.find({}, limit=100_000)


async def test_a_collection_has_the_indexes_of_the_chassis(bench: Any) -> None:
    """The relay finds unsent events by a partial index."""
    indexes = await bench.accounts.collection.index_information()

    assert indexes["unsent_in_order"]["partialFilterExpression"] == {"unsent": {"$gt": 0}}
    assert indexes["mobile"]["unique"]


async def test_spans_hold_no_values(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command and its round trips are one trace, without keys, ids and values."""
    exporter = InMemorySpanExporter()
    own = telemetry.Telemetry("bench", "0", processors=[SimpleSpanProcessor(exporter)])
    monkeypatch.setattr(telemetry, "_current", own)

    await execute(bench.accounts, "the id", bench.put(1, mobile="01012345678"), bench.request())

    spans = exporter.get_finished_spans()
    assert [span.name for span in spans] == ["find accounts", "bulkWrite accounts", "command accounts"]
    assert {span.parent.span_id for span in spans[:2] if span.parent} == {spans[2].context.span_id}
    exported = " ".join(span.to_json() for span in spans)
    assert "01012345678" not in exported
    assert "the id" not in exported
