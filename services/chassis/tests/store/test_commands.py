"""Commands are idempotent: a repeated cause has one effect."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from chassis import log, telemetry
from chassis.commands import ContentChanged, Decision, TooOld, execute, execute_for_state
from chassis.errors import Contended, RequestIdReused
from chassis.store import Duplicate, Index, LimitExceeded, Limits, RequestLimitReached, dataclass_codec
from google.protobuf.wrappers_pb2 import Int64Value, StringValue
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from testkit.loads import loads

pytestmark = pytest.mark.real


async def test_the_first_command_creates_and_the_next_updates(bench: Any) -> None:
    """The events have consecutive sequences and the request as their cause."""
    first, second = bench.request(), bench.request()

    await execute(bench.accounts, "a", bench.put(3, "opened"), first)
    answer = await execute(bench.accounts, "a", bench.put(4, "changed", "changed again"), second)

    document = await bench.document("a")
    assert answer == Int64Value(value=7)
    assert (document["version"], document["sequence"], document["unsent"]) == (2, 3, 3)
    assert [entry["sequence"] for entry in document["outbox"]] == [1, 2, 3]
    assert [entry["causation"] for entry in document["outbox"]] == [first.request_id] + [
        second.request_id
    ] * 2


async def test_a_repeated_request_returns_the_first_answer(bench: Any) -> None:
    """Other commands in between do not change it."""
    request = bench.request()

    first = await execute(bench.accounts, "a", bench.put(3), request)
    await execute(bench.accounts, "a", bench.put(100), bench.request())
    second = await execute(bench.accounts, "a", bench.put(3), request)

    assert (first.value, second.value) == (3, 3)
    assert (await bench.state("a")).balance == 103


async def test_a_repeated_request_is_answered_before_the_decision(bench: Any) -> None:
    """The model may refuse it by then."""
    request = bench.request()
    await execute(bench.accounts, "a", bench.put(3), request)

    def refuse(_: object) -> Decision[Any]:
        raise bench.locked

    answer = await execute(bench.accounts, "a", refuse, request)

    assert answer.value == 3


@pytest.mark.parametrize("processes", [1, 2])
async def test_20_concurrent_requests_with_one_id_have_one_effect(
    bench: Any, open_bench: Any, processes: int
) -> None:
    """They come from one process or two, and receive the same answer."""
    benches = [bench, await open_bench()][:processes]
    request = bench.request()
    new = request.new_id("account")

    answers = await asyncio.gather(
        *(execute(benches[n % processes].accounts, new, bench.put(3, "opened"), request) for n in range(20))
    )

    assert [answer.value for answer in answers] == [3] * 20
    assert (await bench.state(new)).balance == 3
    assert (await bench.document(new))["unsent"] == 1


async def test_other_content_with_the_same_request_id_is_refused(bench: Any) -> None:
    """The aggregate is unchanged."""
    request = bench.request(content="three")
    await execute(bench.accounts, "a", bench.put(3), request)

    other = bench.request(request_id=request.request_id, content="four")
    with pytest.raises(RequestIdReused):
        await execute(bench.accounts, "a", bench.put(4), other)

    assert (await bench.state("a")).balance == 3


async def test_another_aggregate_with_the_same_request_id_is_refused(bench: Any) -> None:
    """An existing aggregate is unchanged, and a new one is not created."""
    request = bench.request()
    await execute(bench.accounts, "a", bench.put(3), request)
    await execute(bench.accounts, "b", bench.put(5), bench.request())

    for other in ("b", "not there"):
        with pytest.raises(RequestIdReused):
            await execute(bench.accounts, other, bench.put(3, "put"), request)

    assert (await bench.state("b")).balance == 5
    assert (await bench.document("b"))["unsent"] == 0
    assert await bench.accounts.load("not there") is None
    assert (await execute(bench.accounts, "a", bench.put(3), request)).value == 3


async def test_a_reused_request_id_precedes_a_duplicate_key(bench: Any) -> None:
    """With a new request id the duplicate is the error."""
    request = bench.request()
    await execute(bench.accounts, "a", bench.put(3, mobile="01012345678"), request)

    with pytest.raises(RequestIdReused):
        await execute(bench.accounts, "b", bench.put(3, mobile="01012345678"), request)
    with pytest.raises(Duplicate):
        await execute(bench.accounts, "b", bench.put(3, mobile="01012345678"), bench.request())

    assert await bench.accounts.load("b") is None


@pytest.mark.parametrize("processes", [1, 2])
async def test_a_request_id_for_20_concurrent_aggregates_changes_one(
    bench: Any, open_bench: Any, processes: int
) -> None:
    """The other requests are refused."""
    benches = [bench, await open_bench()][:processes]
    for n in range(20):
        await execute(bench.accounts, f"a{n}", bench.put(1), bench.request())
    request = bench.request()

    answers = await asyncio.gather(
        *(execute(benches[n % processes].accounts, f"a{n}", bench.put(3), request) for n in range(20)),
        return_exceptions=True,
    )

    balances = [(await bench.state(f"a{n}")).balance for n in range(20)]
    assert sorted(balances) == [1] * 19 + [4]
    assert sum(isinstance(answer, RequestIdReused) for answer in answers) == 19


async def test_the_request_id_of_another_caller_is_another_request(bench: Any) -> None:
    """Request ids are unique per caller."""
    request = bench.request(caller="amira")
    await execute(bench.accounts, "a", bench.put(3), request)

    other = bench.request(request_id=request.request_id, caller="basem")
    answer = await execute(bench.accounts, "a", bench.put(4), other)

    assert answer.value == 7


async def test_secret_answers_are_not_stored(bench: Any) -> None:
    """A repeated request computes the answer again from the current state."""
    request = bench.request(answer=lambda state: StringValue(value=f"secret-{state.balance}"), secret=True)

    await execute(bench.accounts, "a", bench.put(3), request)
    await execute(bench.accounts, "a", bench.put(1), bench.request())
    again = await execute(bench.accounts, "a", bench.put(3), request)

    assert again.value == "secret-4"
    assert "secret-" not in str(await bench.document("a"))


async def test_a_refusal_with_a_change_is_committed(bench: Any) -> None:
    """A wrong attempt is counted; its repetition is refused in the same way and not counted."""
    request = bench.request()

    def wrong(state: Any) -> Decision[Any]:
        counted = bench.put(1, "attempted")(state)
        return Decision(state=counted.state, facts=counted.facts, refusal=bench.wrong_code(tries_left=4))

    refusals = []
    for _ in range(2):
        with pytest.raises(bench.wrong_code) as caught:
            await execute(bench.accounts, "a", wrong, request)
        refusals.append((str(caught.value), caught.value.metadata))

    assert refusals == [("the code is wrong", {"tries_left": "4"})] * 2
    assert (await bench.state("a")).balance == 1
    assert (await bench.document("a"))["unsent"] == 1


async def test_a_refusal_without_a_change_writes_nothing(bench: Any) -> None:
    """The document is unchanged."""
    await execute(bench.accounts, "a", bench.put(1), bench.request())
    before = await bench.document("a")

    with pytest.raises(bench.locked):
        await execute(
            bench.accounts, "a", lambda state: Decision(state=state, refusal=bench.locked()), bench.request()
        )

    assert await bench.document("a") == before


async def test_a_repeated_event_has_one_effect_per_policy(bench: Any) -> None:
    """Another policy processes the same event independently."""
    event = bench.event()
    other = bench.event(event_id=event.event_id, policy="another")

    for cause in (event, event, other):
        await execute(bench.accounts, "a", bench.put(1), cause)

    assert (await bench.state("a")).balance == 2


async def test_20_concurrent_deliveries_of_an_event_have_one_effect(bench: Any, open_bench: Any) -> None:
    """They come from two processes."""
    another, event = await open_bench(), bench.event()

    await asyncio.gather(
        *(
            execute(side.accounts, "a", bench.put(1, "counted"), event)
            for side in (bench, another)
            for _ in range(10)
        )
    )

    assert (await bench.state("a")).balance == 1


async def test_an_event_without_a_decision_writes_nothing(bench: Any) -> None:
    """A policy may return None."""
    await execute(bench.accounts, "a", lambda _: None, bench.event())

    assert await bench.accounts.load("a") is None


async def test_a_repeated_timer_has_one_effect(bench: Any) -> None:
    """The cause of a timer is remembered like an event."""
    timer = bench.timer(str(uuid4()))

    await execute(bench.accounts, "a", bench.put(1), timer)
    await execute(bench.accounts, "a", bench.put(1), timer)

    assert (await bench.state("a")).balance == 1


async def test_an_event_older_than_a_full_memory_is_refused(open_bench: Any) -> None:
    """A late event that is newer than the oldest remembered one is processed."""
    bench = await open_bench(limits=Limits(processed_events=3))
    start = bench.clock()
    for minute in (10, 20, 30, 40):
        await execute(bench.accounts, "a", bench.put(1), bench.event(at=start + timedelta(minutes=minute)))

    with pytest.raises(TooOld):
        await execute(bench.accounts, "a", bench.put(1), bench.event(at=start + timedelta(minutes=10)))
    await execute(bench.accounts, "a", bench.put(1), bench.event(at=start + timedelta(minutes=25)))

    assert (await bench.state("a")).balance == 5
    assert len((await bench.document("a"))["processed_events"]) == 3


async def test_an_event_with_a_known_id_and_other_content_is_refused(bench: Any) -> None:
    """The same content has one effect, and so has an event that was recorded without its content."""
    ids = {content: str(uuid4()) for content in ("aa" * 8, "")}
    for content, event_id in ids.items():
        await execute(bench.accounts, "a", bench.put(1), bench.event(event_id=event_id, content=content))
        await execute(bench.accounts, "a", bench.put(1), bench.event(event_id=event_id, content="aa" * 8))

    with pytest.raises(ContentChanged):
        await execute(
            bench.accounts, "a", bench.put(1), bench.event(event_id=ids["aa" * 8], content="bb" * 8)
        )

    assert (await bench.state("a")).balance == 2


async def test_requests_are_dropped_after_a_day(open_bench: Any) -> None:
    """The next write drops them; more requests within a day than the limit are refused, with the pause to make."""
    bench = await open_bench(limits=Limits(requests=2))
    await execute(bench.accounts, "a", bench.put(1), bench.request())
    bench.clock.move(timedelta(hours=1))
    await execute(bench.accounts, "a", bench.put(1), bench.request())
    bench.clock.move(timedelta(hours=2))

    with pytest.raises(RequestLimitReached) as refused:
        await execute(bench.accounts, "a", bench.put(1), bench.request())
    assert refused.value.metadata == {"limit": "2", "retry_after_seconds": str(21 * 3600)}
    bench.clock.move(timedelta(hours=21))
    await execute(bench.accounts, "a", bench.put(0), bench.request())
    bench.clock.move(timedelta(hours=24))
    last = bench.request()
    await execute(bench.accounts, "a", bench.put(1), last)

    document = await bench.document("a")
    assert (await bench.state("a")).balance == 3
    assert (list(document["requests"]), document["request_ids"]) == ([last.id], [last.id])


async def test_the_write_of_an_event_drops_old_requests(bench: Any) -> None:
    """Aggregates without requests do not conflict with each other."""
    for name in ("a", "b"):
        await execute(bench.accounts, name, bench.put(1), bench.request())
    bench.clock.move(timedelta(hours=24))

    for name in ("a", "b", "new", "new too"):
        await execute(bench.accounts, name, bench.put(1), bench.event())

    assert [(await bench.document(name))["request_ids"] for name in ("a", "b", "new", "new too")] == [[]] * 4


async def test_a_full_outbox_refuses_further_events(open_bench: Any) -> None:
    """A command without events is still executed."""
    bench = await open_bench(limits=Limits(outbox=2))
    await execute(bench.accounts, "a", bench.put(1, "one", "two"), bench.request())

    with pytest.raises(LimitExceeded):
        await execute(bench.accounts, "a", bench.put(1, "three"), bench.request())
    await execute(bench.accounts, "a", bench.put(1), bench.request())

    assert (await bench.state("a")).balance == 2


@pytest.mark.parametrize(
    ("limits", "decision"),
    [
        (Limits(document_bytes=2000), {"amount": 1, "facts": (), "note": "x" * 2000}),
        (Limits(entry_bytes=2000), {"amount": 1, "facts": ("x" * 2000,), "note": ""}),
    ],
)
async def test_a_document_or_event_beyond_its_size_limit_is_refused(
    open_bench: Any, limits: Limits, decision: dict[str, Any]
) -> None:
    """It is not sent to the store."""
    bench = await open_bench(limits=limits)

    with pytest.raises(LimitExceeded):
        await execute(
            bench.accounts, "a", bench.put(1, *decision["facts"], note=decision["note"]), bench.request()
        )

    assert await bench.accounts.load("a") is None


async def test_a_duplicate_key_is_reported_by_the_name_of_the_index(bench: Any) -> None:
    """The error contains no value."""
    await execute(bench.accounts, "a", bench.put(1, mobile="01012345678"), bench.request())

    with pytest.raises(Duplicate) as caught:
        await execute(bench.accounts, "b", bench.put(1, mobile="01012345678"), bench.request())

    assert caught.value.index == "mobile"
    assert "01012345678" not in repr(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("taken", ["request_ids", "unsent_in_order"])
async def test_an_index_with_a_reserved_name_is_refused(bench: Any, taken: str) -> None:
    """The error lists the reserved names."""
    clashing = Index(name=taken, keys=(("state.balance", 1),))

    with pytest.raises(ValueError, match="unsent_in_order, request_ids"):
        await bench.database.aggregates("others", bench.accounts._codec, indexes=(clashing,))


async def test_a_command_that_always_conflicts_is_contended(bench: Any, open_bench: Any) -> None:
    """It fails after a limited number of rounds."""
    another = await open_bench()
    rounds = 0

    def overtaken(state: Any) -> Decision[Any]:
        nonlocal rounds
        rounds += 1
        return Decision(state=bench.put(1)(state).state)

    await execute(bench.accounts, "a", bench.put(0), bench.request())
    save = bench.accounts.save

    async def save_late(change: Any) -> Any:
        await execute(another.accounts, "a", bench.put(10), bench.request())
        return await save(change)

    bench.accounts.save = save_late
    with pytest.raises(Contended):
        await execute(bench.accounts, "a", overtaken, bench.request())

    assert rounds == 8
    assert (await another.state("a")).balance == 80


async def test_a_listener_receives_the_events_of_a_commit(bench: Any) -> None:
    """They come with the number of earlier unsent events."""
    await execute(bench.accounts, "a", bench.put(1, "one"), bench.request())
    await execute(bench.accounts, "a", bench.put(1), bench.request())
    await execute(bench.accounts, "a", bench.put(1, "two", "three"), bench.request())
    await asyncio.sleep(0)

    received = [([entry.data for entry in unsent.entries], unsent.waiting) for unsent in bench.committed]
    assert received == [(["one"], 0), (["two", "three"], 1)]


async def test_a_command_loads_its_aggregate_once(bench: Any) -> None:
    """It creates or changes the aggregate, repeats an answer, or processes an event."""
    request = bench.request()
    for amount, cause in ((1, request), (2, bench.request()), (1, request), (3, bench.event())):
        before = loads("accounts")
        await execute(bench.accounts, "a", bench.put(amount), cause)
        assert loads("accounts") - before == 1


async def test_execute_for_state_returns_the_state_after_the_command(bench: Any) -> None:
    """The command changes the aggregate, is repeated, or has nothing to do."""
    event, request = bench.event(), bench.request()

    def pass_over(state: Any) -> None:
        return None

    assert await execute_for_state(bench.accounts, "a", pass_over, bench.event()) is None
    assert (await execute_for_state(bench.accounts, "a", bench.put(3), event)).balance == 3
    assert (await execute_for_state(bench.accounts, "a", bench.put(4), request)).balance == 7
    assert (await execute_for_state(bench.accounts, "a", bench.put(3), event)).balance == 7
    assert (await execute_for_state(bench.accounts, "a", bench.put(4), request)).balance == 7
    assert (await execute_for_state(bench.accounts, "a", pass_over, bench.event())).balance == 7


async def test_events_and_spans_have_the_request_number_of_the_state(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So have later spans and lines of the task; the aggregate is new or exists."""
    exporter = InMemorySpanExporter()
    own = telemetry.Telemetry("bench", "0", processors=[SimpleSpanProcessor(exporter)])
    monkeypatch.setattr(telemetry, "_current", own)
    cards = await bench.database.aggregates(
        "cards", dataclass_codec(bench.account), correlation=lambda card: card.mobile or ""
    )
    causes = [replace(bench.request(), correlation="DW-0") for _ in range(3)]

    with log.correlated(""):
        with telemetry.span("rpc"):
            await execute(cards, "a", bench.put(1, "opened", mobile="DW-1"), causes[0])
        assert log.correlation() == "DW-1"
        log.correlate("")
        await execute(cards, "a", bench.put(1, "changed"), causes[1])
        assert log.correlation() == "DW-1"
    await execute(cards, "b", bench.put(1, "opened"), causes[2])

    correlations = {
        document["_id"]: [entry["correlation"] for entry in document["outbox"]]
        async for document in cards.collection.find({})
    }
    assert correlations == {"a": ["DW-1", "DW-1"], "b": ["DW-0"]}
    numbers = [
        (span.name, (span.attributes or {}).get("diwan.request_number"))
        for span in exporter.get_finished_spans()
        if span.name in ("rpc", "command cards")
    ]
    assert numbers == [
        ("command cards", "DW-1"),
        ("rpc", "DW-1"),
        ("command cards", "DW-1"),
        ("command cards", None),
    ]


async def test_a_refusal_has_the_request_number_of_the_state(bench: Any) -> None:
    """Its log lines can be found by the number of the case."""
    cards = await bench.database.aggregates(
        "cards", dataclass_codec(bench.account), correlation=lambda card: card.mobile or ""
    )
    await execute(cards, "a", bench.put(1, mobile="DW-1"), bench.request())

    def refuse(_: object) -> Decision[Any]:
        assert log.correlation() == "DW-1"
        raise bench.locked

    with log.correlated(""), pytest.raises(bench.locked):
        await execute(cards, "a", refuse, bench.request())
