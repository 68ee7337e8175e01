"""An overloaded server refuses calls with a reason and a delay, and answers the others in time."""

import asyncio
from collections import Counter

import pytest
from chassis.rpc.admission import RETRY_SECONDS, Overloaded
from chassis.rpc.client import failure_of
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status

CALLS = 4000


def details(error):
    """The ErrorInfo's reason and the RetryInfo's seconds of an error; "" and 0 for those that it lacks."""
    reason, seconds = "", 0.0
    status = rpc_status.from_call(error)
    for detail in status.details if status else ():
        info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
        if detail.Unpack(info):
            reason = info.reason
        if detail.Unpack(retry):
            seconds = retry.retry_delay.ToTimedelta().total_seconds()
    return reason, seconds


async def outcome(harness, call):
    try:
        await call
    except Exception as error:  # noqa: BLE001 -- each kind is counted
        reason, seconds = details(error)
        return error.code().name, reason, RETRY_SECONDS[0] <= seconds <= RETRY_SECONDS[1]
    return "OK", "", False


@pytest.fixture
async def small(harness):
    """A server with two places and three that wait, and an event that ends the calls `deed="wait"`."""
    harness.settings = harness.settings.model_copy(update={"max_concurrent_calls": 2, "max_waiting_calls": 3})
    await harness.server.stop()
    harness.server = harness.make([(harness.trial.service, harness.servicer)])
    await harness.server.start()
    ended = asyncio.Event()

    async def wait(_request):
        await ended.wait()
        return "done"

    harness.servicer.deeds["wait"] = wait
    return ended


def start(harness, count, **options):
    rpc = harness.rpc("Open")
    return [
        asyncio.ensure_future(outcome(harness, rpc(harness.request(deed="wait"), **options)))
        for _ in range(count)
    ]


async def waiting(harness, count):
    async with asyncio.timeout(30):
        while harness.server._pipeline._admission._waiting != count:  # noqa: ASYNC110 -- sends no notification
            await asyncio.sleep(0.005)


async def test_4000_calls_at_once_succeed_or_are_refused_with_a_reason(harness):
    async def work(_request):
        await asyncio.sleep(0.01)
        return "done"

    harness.servicer.deeds["work"] = work
    rpc = harness.rpc("Open")

    outcomes = Counter(
        await asyncio.gather(
            *(outcome(harness, rpc(harness.request(deed="work"), timeout=60)) for _ in range(CALLS))
        )
    )

    assert set(outcomes) <= {("OK", "", False), ("RESOURCE_EXHAUSTED", "OVERLOADED", True)}
    assert outcomes["OK", "", False] >= 1000  # at least those that may wait


async def test_calls_over_the_limits_are_refused_at_once(harness, small):
    calls = start(harness, 5, timeout=60)
    await waiting(harness, 3)

    refused = await asyncio.gather(*start(harness, 4, timeout=60))

    assert refused == [("RESOURCE_EXHAUSTED", "OVERLOADED", True)] * 4
    small.set()
    assert await asyncio.gather(*calls) == [("OK", "", False)] * 5


async def test_a_call_that_waits_for_half_of_its_time_is_refused(harness, small):
    calls = start(harness, 2, timeout=60)
    async with asyncio.timeout(30):
        while harness.server._pipeline.in_hand != 2:  # noqa: ASYNC110 -- sends no notification
            await asyncio.sleep(0.005)

    (refused,) = await asyncio.gather(*start(harness, 1, timeout=2))

    assert refused == ("RESOURCE_EXHAUSTED", "OVERLOADED", True)
    small.set()
    await asyncio.gather(*calls)


async def test_a_cancelled_call_leaves_its_place(harness, small):
    calls = start(harness, 5, timeout=60)
    await waiting(harness, 3)
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    await waiting(harness, 0)
    await harness.ended()
    small.set()

    assert await asyncio.gather(*start(harness, 5, timeout=60)) == [("OK", "", False)] * 5


async def test_health_is_answered_under_overload(harness, small):
    calls = start(harness, 5, timeout=60)
    await waiting(harness, 3)

    stub = health_pb2_grpc.HealthStub(harness.plain())
    answer = await stub.Check(health_pb2.HealthCheckRequest(service="live"), timeout=30)

    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    small.set()
    await asyncio.gather(*calls)


async def test_slow_streams_do_not_occupy_the_places_of_other_calls(harness, small):
    streams = [
        harness.rpc("Download")(harness.request(deed="wait"), metadata=harness.bearer(), timeout=60)
        for _ in range(2)
    ]
    for stream in streams:
        await stream.read()

    answer = await harness.rpc("Open")(harness.request(), timeout=10)  # the streams last longer

    assert answer.text == ""
    small.set()
    for stream in streams:
        assert (await stream.read()).text


def test_the_answer_names_the_delay():
    failure = Overloaded()

    assert RETRY_SECONDS[0] <= float(failure.metadata["retry_after_seconds"]) <= RETRY_SECONDS[1]


async def test_every_refusal_with_a_delay_has_a_retry_info(harness):
    refusal = next(kind for kind in harness.server._pipeline._errors if kind.__name__ == "TrialRefusal")

    async def refuse(_request):
        error = refusal("too soon")
        error.metadata["retry_after_seconds"] = "90"
        raise error

    harness.servicer.deeds["it"] = refuse

    error = await harness.refused(harness.rpc("Open")(harness.request(deed="it")))

    assert failure_of(error).metadata["retry_after_seconds"] == "90"
    assert details(error) == ("TRIAL_REFUSED", 90.0)
