"""The client of other services: tokens, deadlines, retries and spans."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from chassis import log, telemetry
from chassis.rpc.client import _endings, connect, failure_of, identity_exchange, identity_keys
from chassis.tokens import (
    ServiceTokens,
    acting_for,
    generate_key,
)
from diwan.identity.v1 import identity_pb2, identity_pb2_grpc
from opentelemetry.trace import SpanKind, StatusCode

from .conftest import Identity


@pytest.fixture
def issued():
    """The tokens requested from identity: (audience, acting_for)."""
    return []


@pytest.fixture
def tokens(harness, issued):
    """Tokens of the client `notary`, issued by a fake of identity."""

    async def exchange(assertion, audience, account):
        issued.append((audience, account))
        token = harness.token("service", "notary", audience, acting_for=account)
        return token, datetime.now(UTC) + timedelta(minutes=15)

    return ServiceTokens("notary", generate_key(), exchange)


async def test_a_call_carries_the_services_own_token(harness, tokens, issued):
    """The token is requested once for its audience and sent with each call."""
    rpc = harness.rpc("Feed", harness.channel(tokens))

    texts = {(await rpc(harness.request())).text for _ in range(3)}

    assert texts == {"notary"}
    assert issued == [("trial", "")]


async def test_concurrent_calls_request_one_token(harness, tokens, issued):
    """20 calls at the start cause one request to identity."""
    rpc = harness.rpc("Feed", harness.channel(tokens))

    await asyncio.gather(*(rpc(harness.request()) for _ in range(20)))

    assert issued == [("trial", "")]


async def test_a_token_names_the_citizen_it_acts_for(harness, tokens, issued):
    """The token is requested for the account."""
    rpc = harness.rpc("Feed", harness.channel(tokens))
    token = acting_for.set("a-7")

    await rpc(harness.request())

    acting_for.reset(token)
    assert issued == [("trial", "a-7")]
    assert harness.servicer.calls[0].caller.acting_for == "a-7"


async def test_the_default_audience_is_the_service_of_the_package(harness, tokens, issued):
    """The audience of an RPC of `diwan.<service>.v1` is `<service>`."""
    channel = connect(harness.target, tokens)
    harness.channels.append(channel)

    await harness.rpc("Feed", channel)(harness.request())

    assert issued == [("trial", "")]


async def test_a_refused_token_is_not_used_again(harness, issued):
    """After UNAUTHENTICATED the next call requests a new one."""
    keys = [generate_key(), harness.key]

    async def exchange(assertion, audience, account):
        issued.append(audience)
        token = harness.token("service", "notary", audience, key=keys.pop(0))
        return token, datetime.now(UTC) + timedelta(minutes=15)

    rpc = harness.rpc("Feed", harness.channel(ServiceTokens("notary", generate_key(), exchange)))
    error = await harness.refused(rpc(harness.request()))

    assert failure_of(error).reason == "TOKEN_INVALID"
    assert (await rpc(harness.request())).text == "notary"


async def test_client_and_server_spans_are_one_trace(harness, spans):
    """The server's span is a child of the client's, which is a child of the current span."""
    with telemetry.span("handling"):
        await harness.rpc("Open", harness.channel())(harness.request())

    await harness.ended()
    by_kind = {span.kind: span for span in spans.get_finished_spans()}
    server, client, outer = (by_kind[kind] for kind in (SpanKind.SERVER, SpanKind.CLIENT, SpanKind.INTERNAL))
    assert server.parent.span_id == client.context.span_id
    assert client.parent.span_id == outer.context.span_id
    assert client.attributes["rpc.response.status_code"] == "OK"


async def test_a_streams_span_ends_with_the_stream(harness, spans):
    """It ends with the last message, and has the status of the stream."""

    async def fail(_request):
        raise RuntimeError

    harness.servicer.deeds["it"] = fail
    rpc = harness.rpc("Download", harness.channel())

    await harness.refused(rpc(harness.request(deed="it"), metadata=harness.bearer()))

    await asyncio.gather(*_endings)
    client = next(span for span in spans.get_finished_spans() if span.kind is SpanKind.CLIENT)
    assert client.attributes["rpc.response.status_code"] == "INTERNAL"
    assert client.status.status_code is StatusCode.ERROR


async def test_a_call_has_a_default_deadline(harness, monkeypatch):
    """A call to a server that does not answer ends."""
    monkeypatch.setattr("chassis.rpc.client.DEADLINE_SECONDS", 0.1)
    harness.servicer.deeds["it"] = lambda _request: asyncio.sleep(60)

    error = await harness.refused(harness.rpc("Open", harness.channel())(harness.request(deed="it")))

    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_an_inner_call_has_the_remaining_time_of_the_outer(harness):
    """Its own timeout is limited to that."""
    channel = harness.channel()

    async def inner(_request):
        # gRPC rounds a deadline of more than 10 s up to the next tenth of a second.
        await asyncio.sleep(0.3)
        await harness.rpc("Open", channel)(harness.request(deed="slow"), timeout=60)

    limits = []

    async def slow(_request):
        from chassis.rpc.propagation import remaining

        limits.append(remaining())

    harness.servicer.deeds.update(it=inner, slow=slow)
    await harness.rpc("Open")(harness.request(deed="it"), timeout=20)

    assert limits[0] < 19.85


async def test_a_call_is_retried_when_a_server_is_unavailable(harness):
    """The retries have growing pauses, and the caller sees only the answer."""
    from chassis.errors import UpstreamUnavailable

    tries = []

    async def twice(_request):
        tries.append(1)
        if len(tries) < 3:
            raise UpstreamUnavailable
        return "third"

    harness.servicer.deeds["it"] = twice

    answer = await harness.rpc("Open", harness.channel())(harness.request(deed="it"))

    assert (answer.text, len(tries)) == ("third", 3)


async def test_no_call_fails_while_servers_stop_one_after_another(harness):
    """Calls that a stopping server did not process are retried with another one."""

    async def slow(_request):
        await asyncio.sleep(0.01)

    harness.servicer.deeds["slow"] = slow
    servers = [harness.server, *(harness.make([(harness.trial.service, harness.servicer)]) for _ in range(4))]
    for server in servers[1:]:
        await server.start()
    channel = connect("ipv4:" + ",".join(f"127.0.0.1:{server.port}" for server in servers), audience="trial")
    rpc = harness.rpc("Open", channel)
    done = 0
    stopping = asyncio.Event()

    async def calls():
        nonlocal done
        while not stopping.is_set():
            await rpc(harness.request(deed="slow"), timeout=30)
            done += 1

    async with asyncio.TaskGroup() as callers:
        for _ in range(32):
            callers.create_task(calls())
        for server in servers[:-1]:
            await asyncio.sleep(0.2)
            await server.stop()
        stopping.set()

    await channel.close()
    await servers[-1].stop()
    assert done > len(servers)


async def test_an_unavailable_upstream_makes_a_call_unavailable(harness):
    """The answer has its own reason."""
    elsewhere = connect("127.0.0.1:1")
    harness.channels.append(elsewhere)

    async def ask(_request):
        await harness.rpc("Open", elsewhere)(harness.request())

    harness.servicer.deeds["it"] = ask
    error = await harness.refused(harness.rpc("Open")(harness.request(deed="it")))

    assert (error.code().name, failure_of(error).reason) == ("UNAVAILABLE", "UPSTREAM_UNAVAILABLE")


@pytest.mark.parametrize(
    ("request_id", "reason"),
    [("not an id", "VALIDATION"), ("", "VALIDATION"), ("{" + "0" * 36 + "}", "VALIDATION")],
)
async def test_a_refusal_of_another_service_is_no_fault(harness, request_id, reason):
    """The caller learns the other service's reason, and that a repetition is of no use."""
    elsewhere = connect(harness.target)
    harness.channels.append(elsewhere)

    async def ask(_request):
        await harness.rpc("Open", elsewhere)(harness.trial.Request(request_id=request_id))

    harness.servicer.deeds["it"] = ask
    error = await harness.refused(harness.rpc("Open")(harness.request(deed="it")))

    failure = failure_of(error)
    assert (failure.code, failure.reason) == ("FAILED_PRECONDITION", "UPSTREAM_REFUSED")
    assert failure.metadata == {"upstream_reason": reason, "upstream_domain": "diwan.trial"}


@pytest.mark.parametrize("code", ["PERMISSION_DENIED", "UNAUTHENTICATED", "INTERNAL", "DATA_LOSS"])
async def test_a_fault_of_another_service_is_a_fault(harness, code):
    """No token of the service itself is accepted there, or it failed: an operator must act."""

    async def ask(_request):
        raise grpc.aio.AioRpcError(grpc.StatusCode[code], grpc.aio.Metadata(), grpc.aio.Metadata())

    harness.servicer.deeds["it"] = ask
    error = await harness.refused(harness.rpc("Open")(harness.request(deed="it")))

    assert (error.code().name, failure_of(error).reason) == ("INTERNAL", "INTERNAL")


async def test_the_request_number_is_propagated(harness, tokens):
    """A service sends the request number of its current work."""
    with log.correlated("R-2026-9"):
        await harness.rpc("Feed", harness.channel(tokens))(harness.request())

    assert harness.servicer.calls[0].correlation == "R-2026-9"


async def test_keys_and_tokens_come_from_identity_by_rpc(harness):
    """A token that was issued by RPC is valid with keys that were fetched by RPC."""
    key, client_key = generate_key(), generate_key()
    service = identity_pb2.DESCRIPTOR.services_by_name["IdentityService"]
    server = harness.make([(service, Identity(key, client_key))])
    await server.start()
    identity = connect(f"127.0.0.1:{server.port}")
    harness.channels.append(identity)
    harness.keys._keys, harness.keys._fetch = None, identity_keys(identity)
    tokens = ServiceTokens("notary", client_key, identity_exchange(identity))

    answer = await harness.rpc("Feed", harness.channel(tokens))(harness.request())

    await server.stop()
    assert answer.text == "notary"


async def test_an_rpc_without_an_implementation_is_unimplemented(harness):
    """The error has a reason like any other refusal."""
    service = identity_pb2.DESCRIPTOR.services_by_name["IdentityService"]
    server = harness.make([(service, Identity(generate_key(), generate_key()))])
    await server.start()
    channel = connect(f"127.0.0.1:{server.port}")
    harness.channels.append(channel)
    request = identity_pb2.SignOutRequest(request_id=str(uuid.uuid4()), refresh_token="r" * 20)

    error = await harness.refused(identity_pb2_grpc.IdentityServiceStub(channel).SignOut(request))

    await server.stop()
    assert (error.code().name, failure_of(error).reason) == ("UNIMPLEMENTED", "UNIMPLEMENTED")
