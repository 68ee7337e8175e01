"""Revoked tokens and confirmations are refused; RPCs of high rank ask identity before the handler runs."""

import asyncio
import hashlib
import json
import uuid
from datetime import UTC, datetime

import pytest
from chassis.errors import ConfirmationRevoked
from chassis.rpc.client import failure_of
from chassis.rpc.clients import Clients
from chassis.tokens import TokenKeys, generate_key, key_set, sign_confirmation

JUDGE = {"roles": frozenset({"judge"})}


@pytest.fixture
async def restarted(harness):
    """Return a function that starts the server again with other checks of tokens."""

    async def restart(**checks):
        await harness.server.stop()
        harness.keys = TokenKeys("trial", keys=key_set(harness.key), **checks)
        harness.readiness = type(harness.readiness)()
        harness.server = harness.make([(harness.trial.service, harness.servicer)])
        await harness.server.start()

    return restart


async def failure(harness, rpc, metadata):
    """Return code and reason of a refused call."""
    error = await harness.refused(harness.rpc(rpc)(harness.request(), metadata=metadata))
    return error.code().name, failure_of(error).reason


async def test_a_revoked_token_is_refused(harness, restarted):
    """The check receives session, holder and time of issue; RPCs for anyone ignore tokens as before."""
    asked = []

    async def is_revoked(caller):
        asked.append(caller)
        return caller.session == "s-1"

    await restarted(is_revoked=is_revoked)

    assert await failure(harness, "Own", harness.bearer(session="s-1")) == (
        "UNAUTHENTICATED",
        "TOKEN_REVOKED",
    )
    assert (await harness.rpc("Own")(harness.request(), metadata=harness.bearer(session="s-2"))).text == "a-1"
    assert (await harness.rpc("Open")(harness.request(), metadata=harness.bearer(session="s-1"))).text == ""
    assert [(each.session, each.id) for each in asked] == [("s-1", "a-1"), ("s-2", "a-1")]
    assert all(abs((datetime.now(UTC) - each.issued_at).total_seconds()) < 60 for each in asked)


async def test_identity_verifies_officers_for_rpcs_with_the_option(harness, restarted):
    """The same token that the caller sent; other RPCs and services do not ask."""
    asked = []

    async def verify(token):
        asked.append(token)
        return len(asked) == 1

    await restarted(verify=verify)
    metadata = harness.bearer("officer", **JUDGE)

    assert (await harness.rpc("Decide")(harness.request(), metadata=metadata)).text == "a-1"
    await harness.rpc("Appoint")(harness.request(), metadata=harness.bearer("service", who="notary"))
    assert asked == []
    assert (await harness.rpc("Appoint")(harness.request(), metadata=metadata)).text == "a-1"
    calls = len(harness.servicer.calls)
    assert await failure(harness, "Appoint", metadata) == ("UNAUTHENTICATED", "TOKEN_REVOKED")
    assert asked == [metadata[0][1].removeprefix("Bearer ")] * 2
    assert len(harness.servicer.calls) == calls


async def test_an_rpc_with_the_option_is_refused_while_identity_does_not_answer(harness, restarted, tmp_path):
    """With a reason, and without a call of the handler; other RPCs are served."""
    (tmp_path / "client.jwk").write_text(json.dumps(generate_key().as_dict(private=True)))
    settings = harness.settings.model_copy(update={"identity_target": "127.0.0.1:9"})
    clients = Clients("trial", settings)
    harness.channels.append(clients)
    await restarted(verify=clients.verify_token)
    metadata = harness.bearer("officer", **JUDGE)

    refused = await failure(harness, "Appoint", metadata)

    assert refused == ("UNAVAILABLE", "UPSTREAM_UNAVAILABLE")
    assert harness.servicer.calls == []
    assert (await harness.rpc("Decide")(harness.request(), metadata=metadata)).text == "a-1"


async def test_a_token_that_is_revoked_while_a_file_arrives_is_refused(harness, restarted):
    """The file is complete, but the handler does not run."""
    admitted, revoked, content = asyncio.Event(), [], b"a file"

    async def is_revoked(caller):
        admitted.set()
        return caller.session in revoked

    await restarted(is_revoked=is_revoked)
    stream = harness.rpc("Upload")(metadata=harness.bearer(session="s-1"))
    header = {"request_id": str(uuid.uuid4()), "sha256": hashlib.sha256(content).hexdigest()}
    await stream.write(harness.trial.UploadRequest(header=header | {"size_bytes": len(content)}))
    async with asyncio.timeout(30):
        await admitted.wait()
    revoked.append("s-1")
    await stream.write(harness.trial.UploadRequest(chunk=content))
    await stream.done_writing()

    error = await harness.refused(stream)

    assert failure_of(error).reason == "TOKEN_REVOKED"
    assert harness.servicer.uploads == []


@pytest.mark.parametrize("session", ["s-1", "s-2"])
async def test_a_confirmation_of_a_revoked_session_is_refused(session):
    """The statement is signed and not expired, but the session in which it was made has ended."""
    key, now = generate_key(), datetime.now(UTC)
    content = {"account": "a-1", "purpose": "trial.confirm", "digest": "0" * 64}
    token = sign_confirmation(
        key, session=session, audience="trial", now=now, jti=str(uuid.uuid4()), **content
    )

    async def is_revoked(caller):
        assert (caller.id, caller.kind) == ("a-1", "citizen")
        return caller.session == "s-1"

    confirmation = await TokenKeys("trial", keys=key_set(key), is_revoked=is_revoked).confirmation(token)

    if session == "s-2":
        assert confirmation.verify(**content).account == "a-1"
        return
    with pytest.raises(ConfirmationRevoked):
        confirmation.verify(**content)
