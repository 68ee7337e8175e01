"""Use cases: load, decide, save; one function for each command."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from chassis.commands import Cause, CommandRequest, Decision, cause_id, execute, execute_for_state
from chassis.domain import Outcome
from chassis.errors import RequestIdReused
from chassis.store import Duplicate
from chassis.times import cairo_day
from diwan.notary.v1 import notary_pb2 as pb

from notary import facts
from notary.context import Context
from notary.model import errors
from notary.model import power_of_attorney as model
from notary.model.content import Content, Kind, number_of, office_for
from notary.model.drafting import Drafting
from notary.model.facts import Fact
from notary.model.power_of_attorney import PowerOfAttorney, Reviewer, State
from notary.printing import Printer
from notary.store import NUMBER, OPEN_REVIEWER

PURPOSE = "notary.power_of_attorney.submit"
NUMBER_ATTEMPTS = 5
CLAIM_ROUNDS = 5

Request = CommandRequest[PowerOfAttorney, pb.PowerOfAttorney]
Change = Callable[[PowerOfAttorney], Outcome[PowerOfAttorney, Fact]]


@dataclass(frozen=True)
class Named:
    """The agent's national ID and first name, as the principal entered them."""

    national_id: str
    first_name: str


async def draft(
    ctx: Context, request: Request, *, case_id: str, kind: Kind, agent: Named, special_terms: list[str]
) -> pb.PowerOfAttorney:
    """Draft a power of attorney, or replace the draft of `case_id` if it is given.

    Names, national IDs and the governorate are the current ones of identity's accounts.
    """
    account_id = request.caller.id
    await _count_draft(ctx, request)
    principal = await ctx.accounts.by_id(account_id)
    agent_account = await ctx.accounts.by_national_id(
        agent.national_id, agent.first_name, acting_for=account_id
    )
    if agent_account is None:
        raise errors.AgentNotMatched
    ctx.catalogue.offices_of(principal.governorate)
    content = Content(
        draft_id=case_id or request.new_id("power_of_attorney"),
        kind=kind,
        principal=principal.party,
        agent=agent_account.party,
        governorate=principal.governorate,
        terms=ctx.catalogue.wordings[kind].terms,
        special_terms=tuple(special_terms),
    )
    if case_id:
        return await _change(ctx, request, case_id, lambda case: case.draft_anew(content, account_id))
    return await _create(ctx, request, content, entered_by=request.caller.person or principal.party.person_id)


async def _count_draft(ctx: Context, request: Request) -> None:
    """Count the draft, also a refused one. A repeated request counts once; other content under its id counts again."""

    def decide(kept: Drafting | None) -> Decision[Drafting]:
        return Decision(
            state=(kept or Drafting.first(request.caller.id)).ask(ctx.drafts_per_hour, request.now)
        )

    once = Cause(id=cause_id("drafting", request.id, request.content_hash), now=request.now)
    await execute(ctx.store.draftings, request.caller.id, decide, once)


async def _create(ctx: Context, request: Request, content: Content, *, entered_by: str) -> pb.PowerOfAttorney:
    """Create the draft under the first free number; NumbersExhausted after NUMBER_ATTEMPTS."""

    def decide(number: str, state: PowerOfAttorney | None) -> Decision[PowerOfAttorney]:
        if state is not None:
            # The stored answer has expired, and the request was repeated after that.
            raise RequestIdReused
        return _decision(model.draft(content, number=number, entered_by=entered_by, now=request.now))

    year = cairo_day(request.now).year
    for attempt in range(NUMBER_ATTEMPTS):
        number = number_of(content.draft_id, year, attempt)
        try:
            return await execute(
                ctx.store.powers_of_attorney,
                content.draft_id,
                lambda state, number=number: decide(number, state),  # type: ignore[misc]  # bound now, not later
                request,
            )
        except Duplicate as error:
            if error.index != NUMBER:
                raise
    raise errors.NumbersExhausted


async def submit(ctx: Context, request: Request, *, case_id: str, confirmation: str) -> pb.PowerOfAttorney:
    """Submit a draft with the confirmation of exactly its content.

    The key that signed the confirmation is fetched before the case is loaded. The confirmation is verified only when
    the case changes: a repeated request returns the stored answer, even after the confirmation has expired.
    """
    signed = await ctx.keys.confirmation(confirmation)
    account_id = request.caller.id

    def change(case: PowerOfAttorney) -> Outcome[PowerOfAttorney, Fact]:
        case.check_submittable(account_id)
        verified = signed.verify(purpose=PURPOSE, digest=case.digest, account=account_id)
        return case.submit(
            verified.jti,
            verified.digest,
            account_id=account_id,
            channel=request.caller.channel,
            now=request.now,
        )

    return await _change(ctx, request, case_id, change)


async def claim_next(ctx: Context, request: Request) -> pb.PowerOfAttorney:
    """Assign to the reviewer the longest-waiting case to which they are not a party.

    PartyToCase, CaseAlreadyClaimed, QueueEmpty.
    """
    reviewer = Reviewer(request.caller.id, request.caller.person)
    if not reviewer.person_id:
        raise errors.PartyToCase("The officer has no person id, so a case of their own cannot be excluded.")
    for _ in range(CLAIM_ROUNDS):
        claimed_before = await ctx.store.claimed_by_call(request.id)
        if claimed_before is not None:
            return await _claim(ctx, request, claimed_before, reviewer)
        open_case = await ctx.store.open_case_of(reviewer)
        if open_case is not None:
            if open_case.claims[-1].id == request.id:
                continue  # a concurrent repetition of this call claimed it
            raise errors.CaseAlreadyClaimed
        waiting = await ctx.store.waiting_for(reviewer)
        if not waiting:
            raise errors.QueueEmpty
        claimed = await _claim_first(ctx, request, waiting, reviewer)
        if claimed is not None:
            return claimed
    raise errors.QueueEmpty


async def _claim_first(
    ctx: Context, request: Request, waiting: Sequence[PowerOfAttorney], reviewer: Reviewer
) -> pb.PowerOfAttorney | None:
    """Claim the first of some cases that still waits; None if the caller must query again."""
    for case in waiting:
        try:
            return await _claim(ctx, request, case, reviewer)
        except errors.NotAwaitingReview:
            continue  # another reviewer claimed it: try the next in the queue
        except RequestIdReused:
            return None  # a concurrent repetition of this call claimed one
        except Duplicate as error:
            if error.index != OPEN_REVIEWER:
                raise
            return None  # a concurrent call of this reviewer claimed a case
    return None


async def _claim(
    ctx: Context, request: Request, case: PowerOfAttorney, reviewer: Reviewer
) -> pb.PowerOfAttorney:
    return await _change(ctx, request, case.id, lambda it: it.claim(reviewer, request.id, request.now))


async def decide_review(
    ctx: Context, request: Request, *, case_id: str, decision: model.ReviewDecision, reason: str
) -> pb.PowerOfAttorney:
    """Decide a claimed case; approval assigns the office and the printed code.

    NotYourCase, PartyToCase, ReasonRequired, CaseIncomplete, GovernorateNotServed.
    """
    code = ctx.new_code()
    reviewer = Reviewer(request.caller.id, request.caller.person)

    def change(case: PowerOfAttorney) -> Outcome[PowerOfAttorney, Fact]:
        office = office_for(case.id, ctx.catalogue.offices_of(case.content.governorate))
        return case.decide(
            decision, reason, reviewer=reviewer, office=office, verification_code=code, now=request.now
        )

    return await _change(ctx, request, case_id, change)


async def collect(ctx: Context, request: Request, *, case_id: str) -> pb.PowerOfAttorney:
    """Record that a clerk handed the document over; OtherOffice, NotIssued, PartyToCase."""
    caller = request.caller
    clerk = Reviewer(caller.id, caller.person)
    return await _change(
        ctx,
        request,
        case_id,
        lambda case: case.collect(clerk=clerk, office_id=caller.office, now=request.now),
    )


async def settle(ctx: Context, cause: Cause, *, case_id: str, payment_id: str) -> None:
    """Record that the fee was paid. A subject that is not a case here belongs to another service and is ignored."""

    def decide(case: PowerOfAttorney | None) -> Decision[PowerOfAttorney] | None:
        return None if case is None else _changed(case, case.settle(payment_id, cause.now))

    await execute(ctx.store.powers_of_attorney, case_id, decide, cause)


async def issue(ctx: Context, printer: Printer, cause: Cause, *, case_id: str) -> None:
    """Print and sign an approved power of attorney.

    Two deliveries of one event may both print it. The first document whose digest is saved with the case is the
    issued one; the other is deleted.
    """
    approved = await ctx.store.case(case_id)
    if approved is None:
        raise errors.PowerOfAttorneyNotFound
    if approved.state is not State.APPROVED:
        return
    pdf = await printer.document(approved, cause.now)
    digest = await ctx.store.keep_document(case_id, pdf, cause)

    def decide(case: PowerOfAttorney | None) -> Decision[PowerOfAttorney] | None:
        if case is None:
            raise errors.PowerOfAttorneyNotFound
        return _changed(case, case.issue(digest, cause.now))

    issued = await execute_for_state(ctx.store.powers_of_attorney, case_id, decide, cause)
    assert issued is not None, "an issued case exists"
    if issued.document_digest == digest:
        ctx.metrics.issued(issued.content.kind)
    await ctx.store.forget_documents(case_id, but=issued.document_digest)


async def release(ctx: Context, case_id: str, cause: Cause, claimed_before_age: timedelta) -> None:
    """Return a case to the queue that was claimed longer ago than `claimed_before_age`."""

    def decide(case: PowerOfAttorney | None) -> Decision[PowerOfAttorney] | None:
        return None if case is None else _changed(case, case.release(cause.now - claimed_before_age))

    await execute(ctx.store.powers_of_attorney, case_id, decide, cause)


async def _change(ctx: Context, request: Request, case_id: str, change: Change) -> pb.PowerOfAttorney:
    """Change an existing case; PowerOfAttorneyNotFound."""

    def decide(state: PowerOfAttorney | None) -> Decision[PowerOfAttorney]:
        if state is None:
            raise errors.PowerOfAttorneyNotFound
        return _decision(change(state))

    return await execute(ctx.store.powers_of_attorney, case_id, decide, request)


def _decision(outcome: Outcome[PowerOfAttorney, Fact]) -> Decision[PowerOfAttorney]:
    return Decision(state=outcome.state, facts=facts.messages(outcome.facts))


def _changed(
    before: PowerOfAttorney, outcome: Outcome[PowerOfAttorney, Fact]
) -> Decision[PowerOfAttorney] | None:
    """The decision, or None if nothing changed."""
    return None if outcome == Outcome(before) else _decision(outcome)


__all__ = ["claim_next", "collect", "decide_review", "draft", "issue", "release", "settle", "submit"]
