"""A command has one effect, however often its cause comes."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from chassis import log, telemetry
from chassis.commands import Decision, TooOld, execute, execute_for_state
from chassis.errors import Contended, RequestIdReused
from chassis.store import Duplicate, Index, LimitExceeded, Limits, dataclass_codec
from google.protobuf.wrappers_pb2 import Int64Value, StringValue
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from testkit.loads import loads

pytestmark = pytest.mark.real


async def test_creates_then_updates(bench: Any) -> None:
    """The first command creates the aggregate, the next goes on from there."""
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


async def test_same_request_twice(bench: Any) -> None:
    """The second time gets the first answer, whatever has happened in between."""
    request = bench.request()

    first = await execute(bench.accounts, "a", bench.put(3), request)
    await execute(bench.accounts, "a", bench.put(100), bench.request())
    second = await execute(bench.accounts, "a", bench.put(3), request)

    assert (first.value, second.value) == (3, 3)
    assert (await bench.state("a")).balance == 103


async def test_kept_answer_before_decision(bench: Any) -> None:
    """A repeated request is answered although the model would refuse it by now."""
    request = bench.request()
    await execute(bench.accounts, "a", bench.put(3), request)

    def refuse(_: object) -> Decision[Any]:
        raise bench.locked

    answer = await execute(bench.accounts, "a", refuse, request)

    assert answer.value == 3


@pytest.mark.parametrize("processes", [1, 2])
async def test_same_request_20_at_once(bench: Any, open_bench: Any, processes: int) -> None:
    """Twenty at once, from one process or two, have one effect and one answer."""
    benches = [bench, await open_bench()][:processes]
    request = bench.request()
    new = request.new_id("account")

    answers = await asyncio.gather(
        *(execute(benches[n % processes].accounts, new, bench.put(3, "opened"), request) for n in range(20))
    )

    assert [answer.value for answer in answers] == [3] * 20
    assert (await bench.state(new)).balance == 3
    assert (await bench.document(new))["unsent"] == 1


async def test_other_content(bench: Any) -> None:
    """The same request id with other content is refused and changes nothing."""
    request = bench.request(content="three")
    await execute(bench.accounts, "a", bench.put(3), request)

    other = bench.request(request_id=request.request_id, content="four")
    with pytest.raises(RequestIdReused):
        await execute(bench.accounts, "a", bench.put(4), other)

    assert (await bench.state("a")).balance == 3


async def test_other_aggregate(bench: Any) -> None:
    """The same request id for another aggregate, there or not, is refused and changes nothing."""
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


async def test_other_aggregate_that_an_index_forbids_too(bench: Any) -> None:
    """A spent request id is told before what else stands in the way; a fresh one is told that."""
    request = bench.request()
    await execute(bench.accounts, "a", bench.put(3, mobile="01012345678"), request)

    with pytest.raises(RequestIdReused):
        await execute(bench.accounts, "b", bench.put(3, mobile="01012345678"), request)
    with pytest.raises(Duplicate):
        await execute(bench.accounts, "b", bench.put(3, mobile="01012345678"), bench.request())

    assert await bench.accounts.load("b") is None


@pytest.mark.parametrize("processes", [1, 2])
async def test_one_request_for_20_aggregates_at_once(bench: Any, open_bench: Any, processes: int) -> None:
    """A request id that is sent for many aggregates at once is spent on one of them."""
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


async def test_other_caller(bench: Any) -> None:
    """The same request id of another caller is another request."""
    request = bench.request(caller="amira")
    await execute(bench.accounts, "a", bench.put(3), request)

    other = bench.request(request_id=request.request_id, caller="basem")
    answer = await execute(bench.accounts, "a", bench.put(4), other)

    assert answer.value == 7


async def test_secret_answers_are_not_kept(bench: Any) -> None:
    """An answer with a secret is made again from the state as it is, and lies nowhere in the document."""
    request = bench.request(answer=lambda state: StringValue(value=f"secret-{state.balance}"), secret=True)

    await execute(bench.accounts, "a", bench.put(3), request)
    await execute(bench.accounts, "a", bench.put(1), bench.request())
    again = await execute(bench.accounts, "a", bench.put(3), request)

    assert again.value == "secret-4"
    assert "secret-" not in str(await bench.document("a"))


async def test_refusal_that_is_committed(bench: Any) -> None:
    """A wrong try is counted even as it is refused; its repetition is refused alike, without counting."""
    request = bench.request()

    def wrong(state: Any) -> Decision[Any]:
        counted = bench.put(1, "tried")(state)
        return Decision(state=counted.state, facts=counted.facts, refusal=bench.wrong_code(tries_left=4))

    refusals = []
    for _ in range(2):
        with pytest.raises(bench.wrong_code) as caught:
            await execute(bench.accounts, "a", wrong, request)
        refusals.append((str(caught.value), caught.value.metadata))

    assert refusals == [("the code is wrong", {"tries_left": "4"})] * 2
    assert (await bench.state("a")).balance == 1
    assert (await bench.document("a"))["unsent"] == 1


async def test_refusal_that_changes_nothing(bench: Any) -> None:
    """A refusal without a change is raised and leaves no trace."""
    await execute(bench.accounts, "a", bench.put(1), bench.request())
    before = await bench.document("a")

    with pytest.raises(bench.locked):
        await execute(
            bench.accounts, "a", lambda state: Decision(state=state, refusal=bench.locked()), bench.request()
        )

    assert await bench.document("a") == before


async def test_event_twice(bench: Any) -> None:
    """An event that was seen has no second effect; another policy's view of it has one of its own."""
    event = bench.event()
    other = bench.event(event_id=event.event_id, policy="another")

    for cause in (event, event, other):
        await execute(bench.accounts, "a", bench.put(1), cause)

    assert (await bench.state("a")).balance == 2


async def test_event_20_at_once_from_two_processes(bench: Any, open_bench: Any) -> None:
    """Twenty deliveries at once have one effect."""
    another, event = await open_bench(), bench.event()

    await asyncio.gather(
        *(
            execute(side.accounts, "a", bench.put(1, "counted"), event)
            for side in (bench, another)
            for _ in range(10)
        )
    )

    assert (await bench.state("a")).balance == 1


async def test_event_with_nothing_to_do(bench: Any) -> None:
    """A policy that finds nothing to do writes nothing."""
    await execute(bench.accounts, "a", lambda _: None, bench.event())

    assert await bench.accounts.load("a") is None


async def test_timer_twice(bench: Any) -> None:
    """A timer's cause is remembered like an event."""
    timer = bench.timer(str(uuid4()))

    await execute(bench.accounts, "a", bench.put(1), timer)
    await execute(bench.accounts, "a", bench.put(1), timer)

    assert (await bench.state("a")).balance == 1


async def test_too_old(open_bench: Any) -> None:
    """When the memory is full, an event older than all in it is refused, and a late one among them is not."""
    bench = await open_bench(limits=Limits(processed_events=3))
    start = bench.clock()
    for minute in (10, 20, 30, 40):
        await execute(bench.accounts, "a", bench.put(1), bench.event(at=start + timedelta(minutes=minute)))

    with pytest.raises(TooOld):
        await execute(bench.accounts, "a", bench.put(1), bench.event(at=start + timedelta(minutes=10)))
    await execute(bench.accounts, "a", bench.put(1), bench.event(at=start + timedelta(minutes=25)))

    assert (await bench.state("a")).balance == 5
    assert len((await bench.document("a"))["processed_events"]) == 3


async def test_requests_are_forgotten_after_a_day(open_bench: Any) -> None:
    """Requests past their age leave with the next write; more within a day than the limit are refused."""
    bench = await open_bench(limits=Limits(requests=2))
    await execute(bench.accounts, "a", bench.put(1), bench.request())
    await execute(bench.accounts, "a", bench.put(1), bench.request())

    with pytest.raises(LimitExceeded):
        await execute(bench.accounts, "a", bench.put(1), bench.request())
    bench.clock.move(timedelta(hours=24))
    last = bench.request()
    await execute(bench.accounts, "a", bench.put(1), last)

    document = await bench.document("a")
    assert (await bench.state("a")).balance == 3
    assert (list(document["requests"]), document["request_ids"]) == ([last.id], [last.id])


async def test_an_event_forgets_requests_too(bench: Any) -> None:
    """Aggregates that remember no request any more do not stand in each other's way."""
    for name in ("a", "b"):
        await execute(bench.accounts, name, bench.put(1), bench.request())
    bench.clock.move(timedelta(hours=24))

    for name in ("a", "b", "new", "new too"):
        await execute(bench.accounts, name, bench.put(1), bench.event())

    assert [(await bench.document(name))["request_ids"] for name in ("a", "b", "new", "new too")] == [[]] * 4


async def test_full_outbox(open_bench: Any) -> None:
    """An aggregate whose events cannot leave takes no more than its outbox holds."""
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
async def test_size_limits(open_bench: Any, limits: Limits, decision: dict[str, Any]) -> None:
    """A document or an event that is too large is refused before it is sent."""
    bench = await open_bench(limits=limits)

    with pytest.raises(LimitExceeded):
        await execute(
            bench.accounts, "a", bench.put(1, *decision["facts"], note=decision["note"]), bench.request()
        )

    assert await bench.accounts.load("a") is None


async def test_unique_index(bench: Any) -> None:
    """What a unique index forbids is told by the index's name alone."""
    await execute(bench.accounts, "a", bench.put(1, mobile="01012345678"), bench.request())

    with pytest.raises(Duplicate) as caught:
        await execute(bench.accounts, "b", bench.put(1, mobile="01012345678"), bench.request())

    assert caught.value.index == "mobile"
    assert "01012345678" not in repr(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("taken", ["request_ids", "unsent_in_order"])
async def test_an_index_by_the_name_of_the_stores_own(bench: Any, taken: str) -> None:
    """A service that chooses it is told which names are taken, before the server is asked."""
    clashing = Index(name=taken, keys=(("state.balance", 1),))

    with pytest.raises(ValueError, match="unsent_in_order, request_ids"):
        await bench.database.aggregates("others", bench.accounts._codec, indexes=(clashing,))


async def test_contended(bench: Any, open_bench: Any) -> None:
    """A command that loses each time gives up with a word for it."""
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


async def test_listener_is_told(bench: Any) -> None:
    """What a command has to send is handed over at its commit, with what lay before it."""
    await execute(bench.accounts, "a", bench.put(1, "one"), bench.request())
    await execute(bench.accounts, "a", bench.put(1), bench.request())
    await execute(bench.accounts, "a", bench.put(1, "two", "three"), bench.request())
    await asyncio.sleep(0)

    told = [([entry.data for entry in unsent.entries], unsent.waiting) for unsent in bench.committed]
    assert told == [(["one"], 0), (["two", "three"], 1)]


async def test_loads_its_aggregate_once(bench: Any) -> None:
    """Whether it creates, changes or repeats an answer; with no aggregate there, too."""
    request = bench.request()
    for amount, cause in ((1, request), (2, bench.request()), (1, request), (3, bench.event())):
        before = loads("accounts")
        await execute(bench.accounts, "a", bench.put(amount), cause)
        assert loads("accounts") - before == 1


async def test_execute_for_state(bench: Any) -> None:
    """The state that a command leaves: decided, repeated, or untouched."""
    event, request = bench.event(), bench.request()

    def pass_over(state: Any) -> None:
        return None

    assert await execute_for_state(bench.accounts, "a", pass_over, bench.event()) is None
    assert (await execute_for_state(bench.accounts, "a", bench.put(3), event)).balance == 3
    assert (await execute_for_state(bench.accounts, "a", bench.put(4), request)).balance == 7
    assert (await execute_for_state(bench.accounts, "a", bench.put(3), event)).balance == 7
    assert (await execute_for_state(bench.accounts, "a", bench.put(4), request)).balance == 7
    assert (await execute_for_state(bench.accounts, "a", pass_over, bench.event())).balance == 7


async def test_request_number_of_the_state(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events, spans and what follows in the task carry it, of a new aggregate as of an old one."""
    exporter = InMemorySpanExporter()
    own = telemetry.Telemetry("bench", "0", processors=[SimpleSpanProcessor(exporter)])
    monkeypatch.setattr(telemetry, "_current", own)
    cards = await bench.database.aggregates(
        "cards", dataclass_codec(bench.account), correlation=lambda card: card.mobile or ""
    )
    caused = [replace(bench.request(), correlation="DW-0") for _ in range(3)]

    with log.correlated(""):
        with telemetry.span("rpc"):
            await execute(cards, "a", bench.put(1, "opened", mobile="DW-1"), caused[0])
        assert log.correlation() == "DW-1"
        log.correlate("")
        await execute(cards, "a", bench.put(1, "changed"), caused[1])
        assert log.correlation() == "DW-1"
    await execute(cards, "b", bench.put(1, "opened"), caused[2])

    kept = {
        document["_id"]: [entry["correlation"] for entry in document["outbox"]]
        async for document in cards.collection.find({})
    }
    assert kept == {"a": ["DW-1", "DW-1"], "b": ["DW-0"]}
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


async def test_request_number_of_what_is_refused(bench: Any) -> None:
    """A refusal is found by the number of what it was about."""
    cards = await bench.database.aggregates(
        "cards", dataclass_codec(bench.account), correlation=lambda card: card.mobile or ""
    )
    await execute(cards, "a", bench.put(1, mobile="DW-1"), bench.request())

    def refuse(_: object) -> Decision[Any]:
        assert log.correlation() == "DW-1"
        raise bench.locked

    with log.correlated(""), pytest.raises(bench.locked):
        await execute(cards, "a", refuse, bench.request())
