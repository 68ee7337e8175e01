"""Revoked access tokens are refused at once, and the other services are told."""

import asyncio
import uuid
from typing import Any

import pytest
from chassis import protojson
from chassis.caller import Caller, Kind
from chassis.tokens import key_set, verify_access
from diwan.identity.v1 import events_pb2
from diwan.identity.v1 import identity_pb2 as pb

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="session")]

REVOKED = ("UNAUTHENTICATED", "TOKEN_REVOKED")
PURPOSE = "notary.power_of_attorney.submit"
DIGEST = "0123456789abcdef" * 4


def uid() -> str:
    return str(uuid.uuid4())


class SignedIn:
    """A citizen with an account and a session."""

    def __init__(self, world: Any, account: pb.Account, person: Any, tokens: pb.TokenPair) -> None:
        self.world, self.account, self.person, self.tokens = world, account, person, tokens

    @classmethod
    async def new(cls, world: Any) -> "SignedIn":
        person, account = await world.enrolled()
        return cls(world, account, person, await world.signed_in(person))

    @property
    def token(self) -> str:
        return str(self.tokens.access_tokens["identity"])

    async def again(self) -> "SignedIn":
        """Sign the same person in once more, as on another device."""
        self.world.pass_time(minutes=2)
        return SignedIn(self.world, self.account, self.person, await self.world.signed_in(self.person))

    async def read(self) -> pb.Account:
        account: pb.Account = await self.world.call("GetAccount", self.own, self.token)
        return account

    async def refused(self) -> tuple[str, str]:
        refusal: tuple[str, str] = await self.world.refused("GetAccount", self.own, self.token)
        return refusal

    @property
    def own(self) -> pb.GetAccountRequest:
        return pb.GetAccountRequest(account_id=self.account.account_id)


def refresh(tokens: pb.TokenPair) -> pb.RefreshTokenRequest:
    return pb.RefreshTokenRequest(request_id=uid(), refresh_token=tokens.refresh_token)


def sign_out(tokens: pb.TokenPair) -> pb.SignOutRequest:
    return pb.SignOutRequest(request_id=uid(), refresh_token=tokens.refresh_token)


def everywhere(tokens: pb.TokenPair) -> pb.SignOutEverywhereRequest:
    return pb.SignOutEverywhereRequest(request_id=uid(), refresh_token=tokens.refresh_token)


def session_of(tokens: pb.TokenPair) -> str:
    return str(tokens.refresh_token).partition(".")[0]


async def told(world: Any, service: str, subject: str) -> events_pb2.AccessRevoked:
    """Wait until a revocation of this session or subject is in a service's queue; return it."""

    def take() -> events_pb2.AccessRevoked | None:
        with world.broker.connect(service) as connection:
            channel = connection.channel()
            while True:
                method, _, body = channel.basic_get(f"{service}.identity.access", auto_ack=True)
                if method is None:
                    return None
                message = protojson.loads(body.decode(), events_pb2.AccessRevoked)
                if subject in (message.session_id, message.subject_id):
                    return message

    async with asyncio.timeout(30):
        while (message := await asyncio.to_thread(take)) is None:  # noqa: ASYNC110 -- a queue sends no notification
            await asyncio.sleep(0.05)
    return message


async def test_a_sign_out_revokes_the_access_token_at_once(world: Any) -> None:
    """Of this session and of all its generations; another session of the same person continues."""
    first = await SignedIn.new(world)
    other = await first.again()
    newer = SignedIn(
        world, other.account, other.person, await world.call("RefreshToken", refresh(other.tokens))
    )
    assert await other.read() == await newer.read()

    await world.call("SignOut", sign_out(newer.tokens))

    assert await other.refused() == await newer.refused() == REVOKED
    assert (await first.read()).account_id == first.account.account_id


@pytest.mark.parametrize("service", ["payments", "notary", "notification"])
async def test_every_service_is_told_of_a_sign_out(world: Any, service: str) -> None:
    """By the session's opaque id, with the time until which its tokens would be valid."""
    citizen = await SignedIn.new(world)

    await world.call("SignOut", sign_out(citizen.tokens))

    message = await told(world, service, session_of(citizen.tokens))
    assert (message.subject_id, message.reason) == ("", events_pb2.REVOCATION_REASON_SIGNED_OUT)
    expiry = citizen.tokens.expire_time.seconds + 30
    assert message.expire_time.seconds >= expiry


async def test_a_reused_refresh_token_revokes_the_access_tokens(world: Any) -> None:
    """Those of the thief and those of the owner, which cannot be distinguished."""
    owner = await SignedIn.new(world)
    thief = SignedIn(
        world, owner.account, owner.person, await world.call("RefreshToken", refresh(owner.tokens))
    )

    reused = await world.refused("RefreshToken", refresh(owner.tokens))

    assert reused == ("UNAUTHENTICATED", "SESSION_ENDED")
    assert await owner.refused() == await thief.refused() == REVOKED
    message = await told(world, "payments", session_of(owner.tokens))
    assert message.reason == events_pb2.REVOCATION_REASON_REFRESH_TOKEN_REUSED
    counted = world.telemetry.registry.get_sample_value
    assert counted("diwan_identity_revocations_total", {"reason": "refresh_token_reused"}) >= 1


async def test_a_sign_out_everywhere_ends_all_sessions(world: Any) -> None:
    """Also a sign-in whose code was sent before. A repeated request has one effect; a later sign-in works."""
    first = await SignedIn.new(world)
    second = await first.again()
    world.pass_time(minutes=2)
    start = pb.StartSignInRequest(request_id=uid(), national_id=first.person.national_id, channel="portal")
    pending = await world.call("StartSignIn", start)
    code = await world.phones.code(first.person.mobile)
    request = everywhere(first.tokens)

    answers = await asyncio.gather(*(world.call("SignOutEverywhere", request) for _ in range(5)))

    assert len(answers) == 5
    assert await first.refused() == await second.refused() == REVOKED
    complete = pb.CompleteSignInRequest(request_id=uid(), sign_in_id=pending.sign_in_id, code=code)
    ended = ("UNAUTHENTICATED", "SESSION_ENDED")
    assert await world.refused("CompleteSignIn", complete) == ended
    assert await world.refused("RefreshToken", refresh(second.tokens)) == ended
    assert await world.refused("SignOutEverywhere", everywhere(second.tokens)) == ended
    message = await told(world, "payments", first.account.account_id)
    assert message.session_id == ""
    again = await first.again()
    assert await again.read()
    assert again.tokens.access_tokens["payments"]
    stored = world.database["accounts"].find_one({"_id": first.account.account_id})
    assert stored["version"] == 2


async def test_a_token_that_is_issued_just_after_a_sign_out_everywhere_is_in_force(world: Any) -> None:
    """Its time of issue, in whole seconds, is after the revocation also if both are in one second."""
    citizen = await SignedIn.new(world)
    world.pass_time(minutes=2)

    await world.call("SignOutEverywhere", everywhere(citizen.tokens))
    again = SignedIn(world, citizen.account, citizen.person, await world.signed_in(citizen.person))

    message = await told(world, "notary", citizen.account.account_id)
    token = again.tokens.access_tokens["notary"]
    issued = verify_access(token, key_set(world.signing), "notary", world.clock()).issued_at
    assert issued is not None
    assert issued.timestamp() > message.revoke_time.seconds
    assert await again.read()


async def test_a_session_that_has_ended_by_time_is_refused(world: Any) -> None:
    """The last token is valid no longer than the session of 12 hours."""
    citizen = await SignedIn.new(world)
    ends = citizen.tokens.expire_time.seconds + (11 * 60 + 45) * 60
    world.pass_time(hours=11, minutes=50)
    last = await world.call("RefreshToken", refresh(citizen.tokens))
    assert abs(last.expire_time.seconds - ends) <= 1

    world.pass_time(minutes=10, seconds=1)

    late = SignedIn(world, citizen.account, citizen.person, last)
    assert await late.refused() == REVOKED


async def test_a_confirmation_ends_with_its_session(world: Any) -> None:
    """It is not completed after the sign-out, by the old token or in a new session; another one is."""
    citizen = await SignedIn.new(world)
    start = pb.StartConfirmationRequest(request_id=uid(), purpose=PURPOSE, digest=DIGEST)
    started = await world.call("StartConfirmation", start, citizen.token)
    code = await world.phones.code(citizen.person.mobile)
    complete = pb.CompleteConfirmationRequest(
        request_id=uid(), confirmation_id=started.confirmation_id, code=code
    )

    await world.call("SignOut", sign_out(citizen.tokens))

    assert await world.refused("CompleteConfirmation", complete, citizen.token) == REVOKED
    again = await citizen.again()
    found = await world.refused("CompleteConfirmation", complete, again.token)
    assert found == ("NOT_FOUND", "CONFIRMATION_NOT_FOUND")


@pytest.mark.parametrize("session", ["", "unknown", "of another citizen"])
async def test_a_token_without_its_own_session_is_refused(world: Any, session: str) -> None:
    """A signed token is not enough: the session must exist and belong to the caller."""
    citizen, other = await SignedIn.new(world), await SignedIn.new(world)
    named = {"": "", "unknown": uid(), "of another citizen": session_of(other.tokens)}[session]
    caller = Caller(kind=Kind.CITIZEN, id=citizen.account.account_id, session=named)

    assert await world.refused("GetAccount", citizen.own, world.token(caller)) == REVOKED
