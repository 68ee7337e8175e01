"""Commands of sessions: sign-in by code, refresh, sign-out."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid5

from chassis.caller import Caller, Kind
from chassis.commands import CommandRequest, Decision, execute, execute_for_state
from chassis.rpc.current import Call
from chassis.times import timestamp
from chassis.tokens import sign_access
from diwan.identity.v1 import identity_pb2 as pb
from google.protobuf.message import Message

from identity.commands import codes
from identity.context import Context
from identity.model import channels, sessions
from identity.model.codes import Source, new_code
from identity.model.errors import SessionEnded, SignInNotFound
from identity.model.facts import CodeIssued, Fact, MessageContent, RevocationReason
from identity.model.revocations import first_issue_time
from identity.model.sessions import Holder, Session
from identity.signing import device_token, read_device_token, read_refresh_token, refresh_token

PURPOSE = "sign_in"
_NO_MOBILE = "+201000000000"


@dataclass(frozen=True)
class _Subject:
    """Subject of a sign-in.

    Attributes:
        key: key of the rate limit.
        holder_id: id of the account or officer; a derived id if there is none.
        mobile: empty if there is no holder.
        revoke_time: sessions started until then have ended; None if none was ended so.
    """

    key: str
    holder: Holder
    holder_id: str
    mobile: str
    channel: str
    revoke_time: datetime | None


async def _subject(ctx: Context, form: pb.StartSignInRequest, now: datetime) -> _Subject:
    if form.HasField("staff_number"):
        channel = channels.for_officers(form.channel)
        officer_id = ctx.officer_id(form.staff_number)
        officer = await ctx.store.officers.load(officer_id)
        mobile = officer.state.mobile if officer and officer.state.roles else ""
        revoke_time = officer.state.revoke_time if officer else None
        return _Subject(officer_id, Holder.OFFICER, officer_id, mobile, channel, revoke_time)
    channel = channels.for_citizens(form.channel)
    person_key = ctx.person_key(ctx.national_id(form.national_id, now))
    account_id = ctx.account_id(person_key)
    account = await ctx.store.accounts.load(account_id)
    mobile = account.state.mobile if account else ""
    revoke_time = account.state.revoke_time if account else None
    return _Subject(person_key, Holder.CITIZEN, account_id, mobile, channel, revoke_time)


async def _source(ctx: Context, call: Call, device: str, subject: _Subject) -> Source:
    """The source of a start: a device that has signed in to this account before, else the caller's network.

    A token that is not valid for this subject counts as none; the store is read for it too, so that the time does not
    reveal which it is.
    """
    if not device:
        return codes.network_source(ctx, call)
    session_id = read_device_token(ctx.keys, device, subject.holder_id)
    loaded = await ctx.store.sessions.load(session_id or ctx.new_id())
    if loaded and loaded.state.knows_device(subject.holder_id, subject.revoke_time, call.now):
        return Source(ctx.keys.keyed_hash(session_id, "source"), known=True)
    return codes.network_source(ctx, call)


async def start_sign_in(ctx: Context, call: Call, form: pb.StartSignInRequest) -> pb.StartSignInResponse:
    """Send a code to the stored mobile; without a holder, the same steps and the same response.

    NationalIdInvalid, ChannelUnknown, ChannelNotAllowed, CodeTooSoon, TooManyStarts.
    """
    subject = await _subject(ctx, form, call.now)

    def answer(state: Session) -> pb.StartSignInResponse:
        return pb.StartSignInResponse(
            sign_in_id=state.session_id, expire_time=timestamp(state.challenge.expire_time)
        )

    request: CommandRequest[Session, pb.StartSignInResponse] = call.request(form, answer=answer)
    source = await _source(ctx, call, form.device_token, subject)
    await codes.throttle(ctx, request, PURPOSE, subject.key, source=source, limit=ctx.settings.starts)
    session_id = request.new_id(PURPOSE)
    code = new_code(ctx.below)
    started = sessions.start_sign_in(
        session_id=session_id,
        holder=subject.holder,
        holder_id=subject.holder_id,
        channel=subject.channel,
        mobile=subject.mobile,
        code=code,
        code_hash=ctx.code_hash(session_id, code),
        now=call.now,
    )
    decoy = CodeIssued(
        "code.sign_in", MessageContent(_NO_MOBILE, {"code": code}), started.state.challenge.expire_time
    )

    def decide(_: Session | None) -> Decision[Session]:
        return codes.with_code(ctx, started, decoy)

    response = await execute(ctx.store.sessions, session_id, decide, request)
    ctx.count_code(PURPOSE, "sent" if started.facts else "decoy")
    return response


async def complete_sign_in(ctx: Context, call: Call, form: pb.CompleteSignInRequest) -> pb.TokenPair:
    """Check the code; the right one opens the session. SignInNotFound, CodeWrong, CodeExpired, CodeLocked."""
    code_hash = ctx.code_hash(form.sign_in_id, form.code)

    def decide(state: Session | None) -> Decision[Session]:
        if state is None:
            raise SignInNotFound
        return codes.decided(state.complete(code_hash, call.now))

    with codes.count_outcome(ctx, PURPOSE):
        session = await execute_for_state(
            ctx.store.sessions, form.sign_in_id, decide, _tokens_later(call, form)
        )
        return await _tokens(ctx, session, 1)


async def refresh(ctx: Context, call: Call, form: pb.RefreshTokenRequest) -> pb.TokenPair:
    """Exchange a refresh token for the next one; SessionEnded. An old token ends its session."""
    session_id, generation = read_refresh_token(ctx.keys, form.refresh_token)
    revoked: list[Fact] = []

    def decide(state: Session | None) -> Decision[Session]:
        if state is None:
            raise SessionEnded
        refreshed = state.refresh(generation, call.now)
        revoked[:] = refreshed.facts
        return codes.decided(refreshed)

    try:
        session = await execute_for_state(ctx.store.sessions, session_id, decide, _tokens_later(call, form))
    except SessionEnded:
        if revoked:
            ctx.count_revocation(RevocationReason.REFRESH_TOKEN_REUSED)
        raise
    return await _tokens(ctx, session, generation + 1)


async def sign_out(ctx: Context, call: Call, form: pb.SignOutRequest) -> pb.SignOutResponse:
    """End the session of a refresh token; SessionEnded for a token that identity did not issue."""
    session_id, _ = read_refresh_token(ctx.keys, form.refresh_token)

    def decide(state: Session | None) -> Decision[Session]:
        if state is None:
            raise SessionEnded
        return codes.decided(state.sign_out(call.now))

    request: CommandRequest[Session, pb.SignOutResponse] = call.request(
        form, answer=lambda _: pb.SignOutResponse()
    )
    signed_out = await execute(ctx.store.sessions, session_id, decide, request)
    ctx.count_revocation(RevocationReason.SIGNED_OUT)
    return signed_out


def _tokens_later(call: Call, form: Message) -> CommandRequest[Session, pb.TokenPair]:
    """A request without a stored answer: tokens are secret, and are rendered after the session is saved."""
    return call.request(form, answer=lambda _: pb.TokenPair(), secret=True)


async def _caller(ctx: Context, session: Session) -> tuple[Caller, datetime | None]:
    """The caller of an open session with the current roles, and the time of the last revocation for all sessions.

    SessionEnded if that revocation covers this session.
    """
    if session.holder is Holder.CITIZEN:
        account = await ctx.store.accounts.load(session.holder_id)
        assert account is not None, "an open session has a holder"
        _check_outlasts(session, account.state.revoke_time)
        citizen = Caller(
            kind=Kind.CITIZEN,
            id=session.holder_id,
            person=account.state.person_id,
            channel=session.channel,
            session=session.session_id,
        )
        return citizen, account.state.revoke_time
    officer = await ctx.store.officers.load(session.holder_id)
    assert officer is not None, "an open session has a holder"
    _check_outlasts(session, officer.state.revoke_time)
    person = await ctx.store.persons.load(officer.state.person_key)
    caller = Caller(
        kind=Kind.OFFICER,
        id=session.holder_id,
        person=person.state.person_id if person else ctx.stand_in_person_id(officer.state.person_key),
        roles=frozenset(officer.state.roles),
        office=officer.state.office_id,
        channel=session.channel,
        session=session.session_id,
    )
    return caller, officer.state.revoke_time


def _check_outlasts(session: Session, revoke_time: datetime | None) -> None:
    if not session.outlasts(revoke_time):
        raise SessionEnded


async def _tokens(ctx: Context, session: Session, generation: int) -> pb.TokenPair:
    """The tokens of a generation. A repeated issue has the time of the first, so that it expires at the same time.

    Each service has an access token of its own, so that a stolen token is of no use at another service.
    """
    caller, revoke_time = await _caller(ctx, session)
    issue_time = first_issue_time(session.issued(generation), revoke_time)
    lifetime = session.token_lifetime(issue_time)

    def access(audience: str) -> str:
        return sign_access(
            ctx.signing.key,
            caller,
            audience=audience,
            now=issue_time,
            jti=str(uuid5(UUID(session.session_id), f"access/{generation}/{audience}")),
            lifetime=lifetime,
        )

    return pb.TokenPair(
        access_tokens={audience: access(audience) for audience in ctx.settings.audiences},
        expire_time=timestamp((issue_time + lifetime).replace(microsecond=0)),
        refresh_token=refresh_token(ctx.keys, session.session_id, generation),
        device_token=device_token(ctx.keys, session.session_id, session.holder_id),
    )
