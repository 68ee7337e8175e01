"""The server: health, reflection, drain, and the traces, metrics and log lines of calls."""

import asyncio
import json
import uuid

import grpc
import pytest
from chassis import telemetry
from chassis.errors import AddressTaken
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from opentelemetry.trace import SpanKind, StatusCode

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"  # not sampled by the caller
NATIONAL_ID = "29901011234567"


async def health(harness, service=""):
    stub = health_pb2_grpc.HealthStub(harness.plain())
    return (await stub.Check(health_pb2.HealthCheckRequest(service=service))).status


async def becomes(harness, status):
    async with asyncio.timeout(30):
        while await health(harness) != status:  # noqa: ASYNC110 -- the health check is polled
            await asyncio.sleep(0.02)


async def test_health_follows_readiness(harness):
    """It is SERVING only while store and broker answer."""
    answers = True

    async def store():
        return answers

    harness.readiness.add("store", store)
    await harness.readiness.check()
    await becomes(harness, SERVING)
    assert await health(harness, "diwan.trial.v1.TrialService") == SERVING

    answers = False
    await harness.readiness.check()

    await becomes(harness, NOT_SERVING)


async def test_a_process_that_is_not_ready_is_live(harness):
    """A process must not be restarted because its store is away."""

    async def away():
        return False

    harness.readiness.add("store", away)
    await harness.readiness.check()
    await becomes(harness, NOT_SERVING)

    assert await health(harness, "live") == SERVING


async def test_a_check_that_fails_or_hangs_is_not_ready(harness, monkeypatch):
    """An exception and a timeout count as failures."""
    monkeypatch.setattr("chassis.readiness.CHECK_SECONDS", 0.05)

    async def breaks():
        raise RuntimeError

    async def hangs():
        await asyncio.sleep(5)
        return True

    harness.readiness.add("store", breaks)
    harness.readiness.add("broker", hangs)

    assert not await harness.readiness.check()
    assert harness.readiness.states == {"store": False, "broker": False}


async def listed_services(server):
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        answers = [answer async for answer in stub.ServerReflectionInfo(iter([request]))]
    return [one.name for one in answers[0].list_services_response.service]


async def test_reflection_lists_the_services(harness):
    """Tools can discover the API."""
    assert "diwan.trial.v1.TrialService" in await listed_services(harness.server)


async def test_reflection_can_be_disabled(harness):
    """Without it the reflection service is unimplemented."""
    harness.settings = harness.settings.model_copy(update={"reflection": False})
    server = harness.make([(harness.trial.service, harness.servicer)])
    await server.start()

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await listed_services(server)

    await server.stop()
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_server_without_rpcs_serves_health(harness):
    """A process that only consumes events has the same probes as one with an API."""
    harness.server, api = harness.make([]), harness.server
    await harness.server.start()
    await harness.readiness.check()

    await becomes(harness, SERVING)
    assert await health(harness, "live") == SERVING
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await harness.rpc("Open")(harness.request())

    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    await api.stop()


async def test_a_taken_port_is_an_error(harness):
    """Two servers never share a port."""
    harness.settings = harness.settings.model_copy(update={"grpc_listen": harness.target})
    second = harness.make([(harness.trial.service, harness.servicer)])

    with pytest.raises(AddressTaken):
        await second.start()


async def test_stop_finishes_calls_in_progress_and_refuses_new_ones(harness):
    """A call that started before the stop is answered."""
    entered = asyncio.Event()

    async def slow(_request):
        entered.set()
        await asyncio.sleep(0.3)
        return "done"

    harness.servicer.deeds["it"] = slow
    in_progress = asyncio.ensure_future(harness.rpc("Open")(harness.request(deed="it")))
    await entered.wait()

    stopping = asyncio.create_task(harness.server.stop())
    await asyncio.sleep(0.05)
    error = await harness.refused(harness.rpc("Open")(harness.request()))

    assert (await in_progress).text == "done"
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    await stopping


async def test_a_call_during_the_stop_is_answered_or_refused(harness):
    """A call without an answer would not be retried with another server."""
    codes = set()

    async def calls(rpc):
        while True:
            try:
                await rpc(harness.request(), timeout=30)
            except grpc.aio.AioRpcError as error:
                return codes.add(error.code().name)

    for _ in range(60):
        server = harness.make([(harness.trial.service, harness.servicer)])
        await server.start()
        async with grpc.aio.insecure_channel(
            f"127.0.0.1:{server.port}", [("grpc.enable_retries", 0)]
        ) as channel:
            await harness.rpc("Open", channel)(harness.request())
            async with asyncio.TaskGroup() as callers:
                for _ in range(16):
                    callers.create_task(calls(harness.rpc("Open", channel)))
                await asyncio.sleep(0.02)
                await server.stop()

    assert codes <= {"CANCELLED", "UNAVAILABLE"}


async def test_a_health_watch_does_not_delay_the_stop(harness):
    """A watch never ends by itself: it receives NOT_SERVING and is closed, long before the end of the drain."""
    watched = health_pb2_grpc.HealthStub(harness.plain()).Watch(health_pb2.HealthCheckRequest())
    statuses = [(await watched.read()).status]

    async with asyncio.timeout(harness.settings.drain_seconds / 2):
        await harness.server.stop()

    async def rest():
        while True:
            statuses.append((await watched.read()).status)

    error = await harness.refused(rest())
    assert (statuses[-1], error.code()) == (NOT_SERVING, grpc.StatusCode.UNAVAILABLE)


async def test_no_method_is_registered_separately(harness, monkeypatch):
    """At a stop gRPC would drop the waiting calls of such a method, also of the health service."""
    registered = []
    monkeypatch.setattr(
        grpc.aio.Server, "add_registered_method_handlers", lambda _self, *added: registered.append(added)
    )
    server = harness.make([(harness.trial.service, harness.servicer)])

    await server.start()

    assert not registered
    await server.stop()


async def test_a_call_that_exceeds_the_drain_is_cancelled(harness):
    """The drain has a limit."""
    harness.server._settings = harness.settings.model_copy(update={"drain_seconds": 0.1})
    entered = asyncio.Event()

    async def endless(_request):
        entered.set()
        await asyncio.sleep(600)

    harness.servicer.deeds["it"] = endless
    in_progress = asyncio.ensure_future(harness.rpc("Open")(harness.request(deed="it"), timeout=600))
    await entered.wait()

    async with asyncio.timeout(20):  # shorter than the limit of a call
        await harness.server.stop()

    await harness.refused(in_progress)


async def test_a_call_is_a_server_span(harness, spans):
    """It has the name of the RPC, the attributes of the conventions, and no status on success."""
    await harness.rpc("Own")(harness.request(national_id=NATIONAL_ID), metadata=harness.bearer())

    await harness.ended()
    (span,) = spans.get_finished_spans()
    assert (span.name, span.kind) == ("diwan.trial.v1.TrialService/Own", SpanKind.SERVER)
    assert dict(span.attributes) == {
        "rpc.system.name": "grpc",
        "rpc.method": "diwan.trial.v1.TrialService/Own",
        "rpc.response.status_code": "OK",
        "diwan.caller.kind": "citizen",
    }
    assert span.status.status_code is StatusCode.UNSET
    assert NATIONAL_ID not in span.to_json()


async def test_the_trace_of_the_caller_is_continued_but_not_its_sampling(harness, spans):
    """A trace that the caller did not sample may be sampled here."""
    await harness.rpc("Open")(harness.request(), metadata=(("traceparent", PARENT),))

    await harness.ended()
    (span,) = spans.get_finished_spans()
    assert f"{span.context.trace_id:032x}" == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert f"{span.parent.span_id:016x}" == "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [(RuntimeError(NATIONAL_ID), StatusCode.ERROR, "INTERNAL"), (None, StatusCode.UNSET, "VALIDATION")],
)
async def test_only_internal_errors_are_errors_of_the_span(harness, spans, error, status, reason):
    """A caller's mistake is recorded with its reason, without the error status."""

    async def fail(_request):
        raise error

    harness.servicer.deeds["it"] = fail
    request = harness.request(deed="it") if error else harness.request(request_id="no")
    await harness.refused(harness.rpc("Open")(request))

    await harness.ended()
    (span,) = spans.get_finished_spans()
    assert span.status.status_code is status
    assert span.attributes["error.type"] == reason
    assert span.events == ()
    assert NATIONAL_ID not in span.to_json()


async def test_a_call_is_counted_and_timed_by_method_and_status(harness):
    """/metrics has rate, errors and duration of each RPC."""
    await harness.rpc("Open")(harness.request())
    await harness.refused(harness.rpc("Own")(harness.request()))

    await harness.ended()
    _, body = telemetry.exposition()
    text = body.decode()
    name = "rpc_server_call_duration_seconds_count"
    path = "diwan.trial.v1.TrialService"
    assert f'{name}{{rpc_method="{path}/Open",rpc_response_status_code="OK"}} 1.0' in text
    assert f'{name}{{rpc_method="{path}/Own",rpc_response_status_code="UNAUTHENTICATED"}} 1.0' in text


async def test_a_call_is_one_log_line_with_its_trace(harness, lines, spans):
    """The line has method, status and the opaque caller, and nothing of the content."""
    await harness.rpc("Own")(harness.request(national_id=NATIONAL_ID), metadata=harness.bearer())

    await harness.ended()
    (line,) = (one for one in map(json.loads, lines.getvalue().splitlines()) if one["event"] == "rpc")
    (span,) = spans.get_finished_spans()
    assert (line["method"], line["status"]) == ("diwan.trial.v1.TrialService/Own", "OK")
    assert (line["caller_kind"], line["caller_id"]) == ("citizen", "a-1")
    assert line["trace_id"] == f"{span.context.trace_id:032x}"
    assert line["span_id"] == f"{span.context.span_id:016x}"
    assert NATIONAL_ID not in lines.getvalue()


async def test_the_request_number_is_accepted_only_from_services(harness):
    """Other callers could write arbitrary text into logs and events."""
    number = (("diwan-request-number", "R-2026-1"),)

    await harness.rpc("Feed")(harness.request(), metadata=harness.bearer("service", "notary") + number)
    await harness.rpc("Own")(harness.request(), metadata=harness.bearer() + number)

    assert [one.correlation for one in harness.servicer.calls] == ["R-2026-1", ""]


async def test_a_repeated_request_has_the_same_cause_and_content_hash(harness):
    """The cause is derived from caller, RPC and request id, the hash from the content."""
    request_id = str(uuid.uuid4())
    requests = []

    async def remember(request):
        from chassis.rpc.current import call

        requests.append(call().request(request, answer=lambda _: harness.trial.Response()))

    harness.servicer.deeds.update(it=remember, other=remember)
    for deed, rpc in (("it", "Own"), ("it", "Own"), ("other", "Own"), ("it", "Open")):
        request = harness.request(request_id=request_id, deed=deed)
        await harness.rpc(rpc)(request, metadata=harness.bearer())

    first, again, other_content, other_rpc = requests
    assert (first.id, first.content_hash) == (again.id, again.content_hash)
    assert first.id == other_content.id
    assert first.content_hash != other_content.content_hash
    assert first.id != other_rpc.id
    assert first.rpc == "diwan.trial.v1.TrialService.Own"


async def test_a_cancelled_wait_does_not_disturb_the_stop(harness):
    """A process that stops cancels its wait first; calls in progress are still answered."""
    entered = asyncio.Event()

    async def slow(_request):
        entered.set()
        await asyncio.sleep(0.3)

    harness.servicer.deeds["it"] = slow
    waiting = asyncio.create_task(harness.server.wait())
    in_progress = asyncio.ensure_future(harness.rpc("Open")(harness.request(deed="it")))
    await entered.wait()

    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await harness.server.stop()

    assert (await in_progress).text == "None"
