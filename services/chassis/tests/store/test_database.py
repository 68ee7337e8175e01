"""A database is opened by programs that know its documents."""

import asyncio
from typing import Any

import pytest
from chassis import telemetry
from chassis.commands import execute
from chassis.store import LimitExceeded, SchemaTooNew
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

pytestmark = pytest.mark.real


async def test_newer_schema(open_bench: Any) -> None:
    """A database that a newer program has written is not opened by an older one."""
    await open_bench(schema_version=2)
    await open_bench(schema_version=2)
    await open_bench(schema_version=3)

    with pytest.raises(SchemaTooNew) as caught:
        await open_bench(schema_version=2)

    assert (caught.value.found, caught.value.known) == (3, 2)


async def test_opened_by_many_at_once(open_bench: Any) -> None:
    """Processes of one version that start at the same moment all open a new database."""
    benches = await asyncio.gather(*(open_bench() for _ in range(5)))

    assert len(benches) == 5


async def test_find(bench: Any) -> None:
    """Queries find states by fields of the document, sorted, and never without a limit."""
    for n in range(5):
        await execute(bench.accounts, f"a{n}", bench.put(n), bench.request())

    found = await bench.accounts.find({"state.balance": {"$gte": 2}}, sort=[("state.balance", -1)], limit=2)

    assert [state.balance for state in found] == [4, 3]
    with pytest.raises(LimitExceeded):
        await bench.accounts.find({}, limit=100_000)


async def test_indexes(bench: Any) -> None:
    """Every collection has the index by which the relay finds what is unsent."""
    indexes = await bench.accounts.collection.index_information()

    assert indexes["unsent_in_order"]["partialFilterExpression"] == {"unsent": {"$gt": 0}}
    assert indexes["mobile"]["unique"]


async def test_spans_hold_no_values(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command and its round trips are one trace, which tells no key, id or value."""
    exporter = InMemorySpanExporter()
    own = telemetry.Telemetry("bench", "0", processors=[SimpleSpanProcessor(exporter)])
    monkeypatch.setattr(telemetry, "_current", own)

    await execute(bench.accounts, "the id", bench.put(1, mobile="01012345678"), bench.request())

    spans = exporter.get_finished_spans()
    assert [span.name for span in spans] == ["find accounts", "bulkWrite accounts", "command accounts"]
    assert {span.parent.span_id for span in spans[:2] if span.parent} == {spans[2].context.span_id}
    told = " ".join(span.to_json() for span in spans)
    assert "01012345678" not in told
    assert "the id" not in told
