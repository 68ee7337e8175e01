"""Who may call what."""

from datetime import UTC, datetime, timedelta

import pytest
from chassis.rpc.access import AccessNotStatedError
from chassis.rpc.client import failure_of
from chassis.tokens import generate_key
from joserfc import jwt


async def test_anyone_may_call_what_is_for_anyone(harness):
    """An RPC for anyone wants no token, and its caller is nobody."""
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
async def test_only_those_whom_the_proto_names_may_call(harness, rpc, kind, more, allowed):
    """The proto's option decides, by kind of caller, role or client id."""
    made = harness.rpc(rpc)(harness.request(), metadata=harness.bearer(kind, **more))

    if allowed:
        assert (await made).text == more.get("who", "a-1")
    else:
        error = await harness.refused(made)
        assert (error.code().name, failure_of(error).reason) == ("PERMISSION_DENIED", "ACCESS_DENIED")
        assert harness.servicer.calls == []


async def test_a_server_does_not_start_with_an_rpc_that_states_no_access(harness):
    """An RPC without the option is a mistake that no request may find first."""

    class Silent:
        async def Speak(self, request, context):
            raise AssertionError

    with pytest.raises(AccessNotStatedError, match=r"SilentService\.Speak states no access"):
        harness.make([(harness.trial.silent, Silent())])


async def test_a_server_does_not_start_with_an_rpc_that_nobody_answers(harness):
    """A declared RPC without a handler is a mistake as well."""
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
    """Missing, expired and invalid are told apart; why it is invalid is not told."""
    error = await harness.refused(harness.rpc("Own")(harness.request(), metadata=token(harness)))

    assert (error.code().name, failure_of(error).reason) == ("UNAUTHENTICATED", reason)


async def test_a_token_for_two_audiences_is_refused(harness):
    """Well signed as it is: whoever is shown it could call the other as its bearer."""
    good = jwt.decode(harness.token(), harness.key, algorithms=["ES256"])
    claims = good.claims | {"aud": ["trial", "identity"]}
    bearer = "Bearer " + jwt.encode(good.header, claims, harness.key, algorithms=["ES256"])

    error = await harness.refused(
        harness.rpc("Own")(harness.request(), metadata=(("authorization", bearer),))
    )

    assert (error.code().name, failure_of(error).reason) == ("UNAUTHENTICATED", "TOKEN_INVALID")


async def test_an_expired_token_does_not_close_what_is_for_anyone(harness):
    """Who renews a token may send the old one along."""
    metadata = harness.bearer(now=datetime.now(UTC) - timedelta(hours=1))

    assert (await harness.rpc("Open")(harness.request(), metadata=metadata)).text == ""


async def test_whatever_token_is_sent_along_a_request_for_anyone_is_the_same_request(harness):
    """A good token, an expired one, another's and none: nobody's call, one cause."""
    request = harness.request()
    old = harness.bearer(now=datetime.now(UTC) - timedelta(hours=1))

    for metadata in (harness.bearer(), old, harness.bearer("service", who="notary"), ()):
        await harness.rpc("Open")(request, metadata=metadata)

    calls = harness.servicer.calls
    causes = {call.request(request, answer=lambda _: request).id for call in calls}
    assert (len(calls), len(causes)) == (4, 1)
    assert {call.caller.kind for call in calls} == {"anonymous"}


async def test_a_stranger_learns_nothing_of_a_requests_rules(harness):
    """Access is checked before the request is read."""
    error = await harness.refused(harness.rpc("Own")(b"\xff\xff"))

    assert failure_of(error).reason == "TOKEN_MISSING"


async def test_a_stream_is_checked_like_any_other(harness):
    """A streaming RPC asks for a token, and streams to those who may."""
    error = await harness.refused(harness.rpc("Download")(harness.request()))
    texts = [one.text async for one in harness.rpc("Download")(harness.request(), metadata=harness.bearer())]

    assert failure_of(error).reason == "TOKEN_MISSING"
    assert texts == ["a-1-0", "a-1-1", "a-1-2"]
