"""Enrolment: online with a code, or at a counter with a card."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from chassis.commands import CommandRequest, Decision, execute, execute_for_state
from chassis.rpc.current import Call
from chassis.store import Duplicate
from chassis.times import timestamp
from diwan.identity.v1 import identity_pb2 as pb

from identity.commands import codes
from identity.context import Context
from identity.model import accounts, channels
from identity.model.codes import new_code
from identity.model.errors import EnrolmentNotFound, IdentityError, MobileTaken
from identity.model.facts import CodeIssued, MessageContent
from identity.model.persons import Person
from identity.queries import render_account
from identity.store import MOBILE

PURPOSE = "enrolment"
COUNTER_CHANNEL = "post_office"


def _applicant(
    ctx: Context, form: pb.StartEnrolmentRequest | pb.EnrolAtCounterRequest, channel: str, now: datetime
) -> accounts.Applicant:
    person_key = ctx.person_key(ctx.national_id(form.national_id, now))
    return accounts.Applicant(
        first_name=form.first_name,
        mother_first_name=form.mother_first_name,
        person_key=person_key,
        account_id=ctx.account_id(person_key),
        mobile=form.mobile,
        mobile_key=ctx.mobile_key(form.mobile),
        channel=channel,
    )


async def _person(ctx: Context, person_key: str) -> Person | None:
    loaded = await ctx.store.persons.load(person_key)
    return loaded.state if loaded else None


async def start_enrolment(
    ctx: Context, call: Call, form: pb.StartEnrolmentRequest
) -> pb.StartEnrolmentResponse:
    """Match the four facts and send a code; without a match, the same steps and the same response.

    MobileInvalid, NationalIdInvalid, ChannelUnknown, ChannelNotAllowed, CodeTooSoon, TooManyStarts.
    """
    applicant = _applicant(ctx, form, channels.for_citizens(form.channel), call.now)

    def answer(state: accounts.Enrolment) -> pb.StartEnrolmentResponse:
        return pb.StartEnrolmentResponse(
            enrolment_id=state.enrolment_id, expire_time=timestamp(state.challenge.expire_time)
        )

    request: CommandRequest[accounts.Enrolment, pb.StartEnrolmentResponse] = call.request(form, answer=answer)
    source = codes.network_source(ctx, call)
    await codes.throttle(
        ctx, request, PURPOSE, applicant.person_key, source=source, limit=ctx.settings.starts
    )
    await codes.throttle(
        ctx, request, PURPOSE, applicant.mobile_key, source=source, limit=ctx.settings.starts
    )
    person = await _person(ctx, applicant.person_key)
    enrolment_id = request.new_id(PURPOSE)
    code = new_code(ctx.below)
    started = accounts.start_enrolment(
        enrolment_id,
        applicant,
        person,
        code=code,
        code_hash=ctx.code_hash(enrolment_id, code),
        now=call.now,
    )
    decoy = CodeIssued(
        "code.enrolment", MessageContent(form.mobile, {"code": code}), started.state.challenge.expire_time
    )

    def decide(_: accounts.Enrolment | None) -> Decision[accounts.Enrolment]:
        return codes.with_code(ctx, started, decoy)

    response = await execute(ctx.store.enrolments, enrolment_id, decide, request)
    ctx.count_code(PURPOSE, "sent" if started.facts else "decoy")
    return response


async def complete_enrolment(ctx: Context, call: Call, form: pb.CompleteEnrolmentRequest) -> pb.Account:
    """Check the code, then create the account: two writes; a repeated request completes a missing second one.

    EnrolmentNotFound, CodeWrong, CodeExpired, CodeLocked, AlreadyEnrolled, MobileTaken.
    """
    code_hash = ctx.code_hash(form.enrolment_id, form.code)

    def try_code(state: accounts.Enrolment | None) -> Decision[accounts.Enrolment]:
        if state is None:
            raise EnrolmentNotFound
        return codes.decided(state.complete(code_hash, call.now))

    tried: CommandRequest[accounts.Enrolment, pb.Account] = call.request(
        form, answer=lambda _: pb.Account(), secret=True
    )
    with _counted(ctx, "online"):
        with codes.count_outcome(ctx, PURPOSE):
            enrolment = await execute_for_state(ctx.store.enrolments, form.enrolment_id, try_code, tried)
        return await _open_account(ctx, call, form, enrolment)


async def _open_account(
    ctx: Context, call: Call, form: pb.CompleteEnrolmentRequest, enrolment: accounts.Enrolment
) -> pb.Account:
    person = await _person(ctx, enrolment.person_key)

    def decide(kept: accounts.Account | None) -> Decision[accounts.Account]:
        return codes.decided(enrolment.account(kept, call.now))

    # The names belong to the person and are not stored twice, so the response is rendered for each request.
    request: CommandRequest[accounts.Account, pb.Account] = call.request(
        form, answer=lambda state: render_account(state, person), secret=True
    )
    return await execute(ctx.store.accounts, enrolment.account_id, decide, request)


async def enrol_at_counter(ctx: Context, call: Call, form: pb.EnrolAtCounterRequest) -> pb.Account:
    """Enrol a person whose ID card the clerk checked; PersonNotMatched, OwnCase, AlreadyEnrolled, MobileTaken."""
    clerk = call.caller
    applicant = _applicant(ctx, form, clerk.channel or COUNTER_CHANNEL, call.now)
    person = await _person(ctx, applicant.person_key)
    officer = await ctx.store.officers.load(clerk.id)

    def decide(kept: accounts.Account | None) -> Decision[accounts.Account]:
        return codes.decided(
            accounts.enrol_at_counter(
                kept,
                applicant,
                person,
                clerk_id=clerk.id,
                clerk_person_id=clerk.person,
                clerk_person_key=officer.state.person_key if officer else "",
                now=call.now,
            )
        )

    request: CommandRequest[accounts.Account, pb.Account] = call.request(
        form, answer=lambda state: render_account(state, person), secret=True
    )
    with _counted(ctx, "counter"):
        return await execute(ctx.store.accounts, applicant.account_id, decide, request)


@contextmanager
def _counted(ctx: Context, way: str) -> Iterator[None]:
    """Count the outcome, and translate a duplicate mobile number into MobileTaken."""
    try:
        yield
    except Duplicate as duplicate:
        if duplicate.index != MOBILE:
            raise
        ctx.count_enrolment(way, MobileTaken.reason)
        raise MobileTaken from None
    except IdentityError as refusal:
        ctx.count_enrolment(way, refusal.reason)
        raise
    ctx.count_enrolment(way, "done")
