"""Access to RPCs by the option of the proto."""

from datetime import UTC, datetime, timedelta

import pytest
from chassis.rpc.access import AccessNotStatedError
from chassis.rpc.client import failure_of
from chassis.tokens import generate_key
from joserfc import jwt


async def test_an_rpc_for_anyone_needs_no_token(harness):
    """Its caller is anonymous."""
    answer = await harness.rpc("Open")(harness.request())

    assert answer.text == ""
    assert harness.servicer.calls[0].caller.kind == "anonymous"


@pytest.mark.parametrize(
    ("rpc", "kind", "more", "allowed"),
    [
        ("Own", "citizen", {}, True),
        ("Own", "officer", {"roles": frozenset({"reviewer"})}, False),
        ("Own", "service", {"who": "notary"}, False),
        ("Own", "service", {"who": "notary", "acting_for": "a-1"}, False),
        ("Decide", "officer", {"roles": frozenset({"reviewer"})}, True),
        ("Decide", "officer", {"roles": frozenset({"clerk", "judge"})}, True),
        ("Decide", "officer", {"roles": frozenset({"clerk"})}, False),
        ("Decide", "citizen", {"roles": frozenset({"reviewer"})}, False),
        ("Feed", "service", {"who": "notary"}, True),
        ("Feed", "service", {"who": "payments"}, False),
        ("Feed", "citizen", {"who": "notary"}, False),
    ],
)
async def test_only_the_callers_of_the_proto_are_allowed(harness, rpc, kind, more, allowed):
    """The option decides by kind of caller, role or client id."""
    pending = harness.rpc(rpc)(harness.request(), metadata=harness.bearer(kind, **more))

    if allowed:
        assert (await pending).text == more.get("who", "a-1")
    else:
        error = await harness.refused(pending)
        assert (error.code().name, failure_of(error).reason) == ("PERMISSION_DENIED", "ACCESS_DENIED")
        assert harness.servicer.calls == []


async def test_a_server_does_not_start_with_an_rpc_without_access(harness):
    """The mistake must be found before the first request."""

    class Silent:
        async def Speak(self, request, context):
            raise AssertionError

    with pytest.raises(AccessNotStatedError, match=r"SilentService\.Speak states no access"):
        harness.make([(harness.trial.silent, Silent())])


async def test_a_server_does_not_start_with_an_rpc_without_a_handler(harness):
    """Every declared RPC needs a handler."""
    with pytest.raises(TypeError, match="has no Open"):
        harness.make([(harness.trial.service, object())])


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (lambda _: (), "TOKEN_MISSING"),
        (lambda _: (("authorization", "Basic abc"),), "TOKEN_MISSING"),
        (lambda _: (("authorization", "Bearer x.y.z"),), "TOKEN_INVALID"),
        (lambda h: h.bearer(now=datetime.now(UTC) - timedelta(minutes=16)), "TOKEN_EXPIRED"),
        (lambda h: h.bearer(audience="payments"), "TOKEN_INVALID"),
        (lambda h: h.bearer(key=generate_key()), "TOKEN_INVALID"),
    ],
)
async def test_a_bad_token_is_refused_with_its_reason(harness, token, reason):
    """The reasons are missing, expired and invalid, without further details."""
    error = await harness.refused(harness.rpc("Own")(harness.request(), metadata=token(harness)))

    assert (error.code().name, failure_of(error).reason) == ("UNAUTHENTICATED", reason)


async def test_a_token_for_two_audiences_is_refused(harness):
    """A service that receives such a token could use it at the other service."""
    valid = jwt.decode(harness.token(), harness.key, algorithms=["ES256"])
    claims = valid.claims | {"aud": ["trial", "identity"]}
    bearer = "Bearer " + jwt.encode(valid.header, claims, harness.key, algorithms=["ES256"])

    error = await harness.refused(
        harness.rpc("Own")(harness.request(), metadata=(("authorization", bearer),))
    )

    assert (error.code().name, failure_of(error).reason) == ("UNAUTHENTICATED", "TOKEN_INVALID")


async def test_an_expired_token_is_accepted_by_an_rpc_for_anyone(harness):
    """A client may send its old token when it refreshes it."""
    metadata = harness.bearer(now=datetime.now(UTC) - timedelta(hours=1))

    assert (await harness.rpc("Open")(harness.request(), metadata=metadata)).text == ""


async def test_the_cause_of_a_request_for_anyone_does_not_depend_on_the_token(harness):
    """With a valid, an expired, another or no token the caller is anonymous and the cause is the same."""
    request = harness.request()
    old = harness.bearer(now=datetime.now(UTC) - timedelta(hours=1))

    for metadata in (harness.bearer(), old, harness.bearer("service", who="notary"), ()):
        await harness.rpc("Open")(request, metadata=metadata)

    calls = harness.servicer.calls
    causes = {call.request(request, answer=lambda _: request).id for call in calls}
    assert (len(calls), len(causes)) == (4, 1)
    assert {call.caller.kind for call in calls} == {"anonymous"}


async def test_access_is_checked_before_the_request_is_parsed(harness):
    """A caller without access learns nothing about the rules of the request."""
    error = await harness.refused(harness.rpc("Own")(b"\xff\xff"))

    assert failure_of(error).reason == "TOKEN_MISSING"


async def test_access_to_a_stream_is_checked(harness):
    """A streaming RPC requires a token like any other."""
    error = await harness.refused(harness.rpc("Download")(harness.request()))
    texts = [one.text async for one in harness.rpc("Download")(harness.request(), metadata=harness.bearer())]

    assert failure_of(error).reason == "TOKEN_MISSING"
    assert texts == ["a-1-0", "a-1-1", "a-1-2"]
