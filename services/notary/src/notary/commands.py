"""Use cases: load, decide, save; one function a command."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from chassis.commands import Cause, CommandRequest, Decision, cause_id, execute, execute_for_state
from chassis.domain import Outcome
from chassis.errors import RequestIdReused
from chassis.store import Duplicate
from chassis.times import CAIRO
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
    """The agent as the principal names them."""

    national_id: str
    first_name: str


async def draft(
    ctx: Context, request: Request, *, case_id: str, kind: Kind, agent: Named, special_terms: list[str]
) -> pb.PowerOfAttorney:
    """Draft a power of attorney, or draft one anew when `case_id` is given.

    Names, national IDs and the governorate are what identity knows of principal and agent today.
    """
    account_id = request.caller.id
    await _count_draft(ctx, request)
    principal = await ctx.accounts.by_id(account_id)
    found = await ctx.accounts.by_national_id(agent.national_id, agent.first_name, acting_for=account_id)
    if found is None:
        raise errors.AgentNotMatched
    ctx.catalogue.offices_of(principal.governorate)
    content = Content(
        draft_id=case_id or request.new_id("power_of_attorney"),
        kind=kind,
        principal=principal.party,
        agent=found.party,
        governorate=principal.governorate,
        terms=ctx.catalogue.wordings[kind].terms,
        special_terms=tuple(special_terms),
    )
    if case_id:
        return await _change(ctx, request, case_id, lambda case: case.draft_anew(content, account_id))
    return await _create(ctx, request, content, entered_by=request.caller.person or principal.party.person_id)


async def _count_draft(ctx: Context, request: Request) -> None:
    """Count it, whatever comes of it. The same request again counts once; other content under its id counts anew."""

    def decide(kept: Drafting | None) -> Decision[Drafting]:
        return Decision(
            state=(kept or Drafting.first(request.caller.id)).ask(ctx.drafts_per_hour, request.now)
        )

    once = Cause(id=cause_id("drafting", request.id, request.content_hash), now=request.now)
    await execute(ctx.store.draftings, request.caller.id, decide, once)


async def _create(ctx: Context, request: Request, content: Content, *, entered_by: str) -> pb.PowerOfAttorney:
    """Create the draft under the first number that is free."""

    def decide(number: str, state: PowerOfAttorney | None) -> Decision[PowerOfAttorney]:
        if state is not None:
            # Its first answer is forgotten by now, and the request came again all the same.
            raise RequestIdReused
        return _decision(model.draft(content, number=number, entered_by=entered_by, now=request.now))

    year = request.now.astimezone(CAIRO).year
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

    The key that signed the confirmation is fetched before the case is loaded. The confirmation itself counts only
    when the case is decided: an answer that was given before is given again, though the confirmation has ended.
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
    """Give the reviewer the case that has waited longest and in which they have no part."""
    reviewer = Reviewer(request.caller.id, request.caller.person)
    if not reviewer.person_id:
        raise errors.PartyToCase("nobody knows who this officer is, so no case can be kept from them")
    for _ in range(CLAIM_ROUNDS):
        again = await ctx.store.claimed_by_call(request.id)
        if again is not None:
            return await _claim(ctx, request, again, reviewer)
        held = await ctx.store.open_case_of(reviewer)
        if held is not None:
            if held.claims[-1].id == request.id:
                continue  # this very call, sent twice, was faster elsewhere
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
    """Claim the first of some cases that is still to be had; None if it is to be looked again."""
    for case in waiting:
        try:
            return await _claim(ctx, request, case, reviewer)
        except errors.NotAwaitingReview:
            continue  # another reviewer was faster: the next in the queue
        except RequestIdReused:
            return None  # this very call, sent twice, was faster elsewhere
        except Duplicate as error:
            if error.index != OPEN_REVIEWER:
                raise
            return None  # this reviewer has a case since a moment ago
    return None


async def _claim(
    ctx: Context, request: Request, case: PowerOfAttorney, reviewer: Reviewer
) -> pb.PowerOfAttorney:
    return await _change(ctx, request, case.id, lambda it: it.claim(reviewer, request.id, request.now))


async def decide_review(
    ctx: Context, request: Request, *, case_id: str, decision: model.ReviewDecision, reason: str
) -> pb.PowerOfAttorney:
    """Decide a claimed case; approval assigns the office and the code to be printed."""
    code = ctx.new_code()
    reviewer = Reviewer(request.caller.id, request.caller.person)

    def change(case: PowerOfAttorney) -> Outcome[PowerOfAttorney, Fact]:
        office = office_for(case.id, ctx.catalogue.offices_of(case.content.governorate))
        return case.decide(
            decision, reason, reviewer=reviewer, office=office, verification_code=code, now=request.now
        )

    return await _change(ctx, request, case_id, change)


async def collect(ctx: Context, request: Request, *, case_id: str) -> pb.PowerOfAttorney:
    """Hand the document over at the clerk's office."""
    caller = request.caller
    clerk = Reviewer(caller.id, caller.person)
    return await _change(
        ctx,
        request,
        case_id,
        lambda case: case.collect(clerk=clerk, office_id=caller.office, now=request.now),
    )


async def settle(ctx: Context, cause: Cause, *, case_id: str, payment_id: str) -> None:
    """The fee was paid. What notary does not know was paid for another service."""

    def decide(case: PowerOfAttorney | None) -> Decision[PowerOfAttorney] | None:
        return None if case is None else _changed(case, case.settle(payment_id, cause.now))

    await execute(ctx.store.powers_of_attorney, case_id, decide, cause)


async def issue(ctx: Context, printer: Printer, cause: Cause, *, case_id: str) -> None:
    """Print and sign an approved power of attorney.

    The work may be done twice, by two that got the same order; the document whose digest is saved with the case
    first is the issued one, and the other is forgotten.
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
    assert issued is not None, "an issued case is there"
    if issued.document_digest == digest:
        ctx.metrics.issued(issued.content.kind)
    await ctx.store.forget_documents(case_id, but=issued.document_digest)


async def release(ctx: Context, case_id: str, cause: Cause, claimed_before_age: timedelta) -> None:
    """Put a case that lies with a reviewer back in the queue."""

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
    """None where there is nothing to do."""
    return None if outcome == Outcome(before) else _decision(outcome)


__all__ = ["claim_next", "collect", "decide_review", "draft", "issue", "release", "settle", "submit"]
