from dataclasses import replace
from datetime import timedelta

import pytest
from chassis.domain import Outcome
from notary.model import errors, facts
from notary.model.content import Kind
from notary.model.drafting import Drafting
from notary.model.power_of_attorney import ReviewDecision, Reviewer, State

from .samples import (
    AGENT,
    CAIRO,
    CLERK,
    CODE,
    CONTENT,
    NOW,
    PRINCIPAL,
    REVIEWER,
    approved,
    claimed,
    collected,
    correcting,
    decided,
    drafted,
    issued,
    paid,
    submitted,
    with_terms,
)

STAGES = {
    "drafted": drafted,
    "submitted": submitted,
    "paid": paid,
    "claimed": claimed,
    "correcting": correcting,
    "refused": lambda: decided(ReviewDecision.REFUSE, "سبب"),
    "approved": approved,
    "issued": issued,
    "collected": collected,
}

OPERATIONS = {
    "draft_anew": lambda case: case.draft_anew(with_terms("بند آخر"), "account-1"),
    "submit": lambda case: case.submit(
        "jti-2", case.digest, account_id="account-1", channel="portal", now=NOW
    ),
    "settle": lambda case: case.settle("payment-2", NOW),
    "claim": lambda case: case.claim(REVIEWER, "claim-2", NOW),
    "decide": lambda case: case.decide(
        ReviewDecision.APPROVE, "", reviewer=REVIEWER, office=CAIRO, verification_code=CODE, now=NOW
    ),
    "issue": lambda case: case.issue("e" * 64, NOW),
    "collect": lambda case: case.collect(clerk=CLERK, office_id=CAIRO.id, now=NOW),
}

ALLOWED = {
    ("drafted", "draft_anew"): State.DRAFT,
    ("correcting", "draft_anew"): State.DRAFT,
    ("drafted", "submit"): State.AWAITING_PAYMENT,
    ("submitted", "settle"): State.AWAITING_REVIEW,
    ("paid", "claim"): State.IN_REVIEW,
    ("claimed", "decide"): State.APPROVED,
    ("approved", "issue"): State.ISSUED,
    ("issued", "issue"): State.ISSUED,
    ("collected", "issue"): State.COLLECTED,
    ("issued", "collect"): State.COLLECTED,
}

REFUSALS = {
    "draft_anew": errors.NotADraft,
    "submit": errors.NotADraft,
    "settle": errors.NotAwaitingPayment,
    "claim": errors.NotAwaitingReview,
    "decide": errors.NotYourCase,
    "issue": errors.NotApproved,
    "collect": errors.NotIssued,
}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("stage", STAGES)
def test_each_operation_is_allowed_only_in_its_stages(stage, operation):
    """Every pair of stage and operation leads to the state of the table, or is refused."""
    case = STAGES[stage]()

    if (stage, operation) in ALLOWED:
        assert OPERATIONS[operation](case).state.state is ALLOWED[stage, operation]
    else:
        with pytest.raises(REFUSALS[operation]):
            OPERATIONS[operation](case)


def test_a_submission_states_a_fact_for_payments():
    """The fact holds service, channel and governorate, and no personal data."""
    published = (
        drafted().submit("jti", CONTENT.digest(), account_id="account-1", channel="portal", now=NOW).facts
    )

    assert published == (
        facts.Submitted(
            CONTENT.draft_id,
            "PA-2026-7Q4M2K9D",
            "account-1",
            "notary.power_of_attorney.general",
            "portal",
            "01",
            NOW,
        ),
    )


def test_a_change_of_one_letter_invalidates_the_confirmation():
    """A confirmation holds for the confirmed content only."""
    before = drafted()
    after = before.draft_anew(with_terms("ولا يجوز للوكيل بيع الشقه."), "account-1").state

    with pytest.raises(errors.ConfirmationMismatch):
        after.submit("jti", before.digest, account_id="account-1", channel="portal", now=NOW)


def test_a_confirmation_is_used_once():
    """After a correction without changes, the old confirmation is refused."""
    again = correcting().draft_anew(CONTENT, "account-1").state

    with pytest.raises(errors.ConfirmationInvalid):
        again.submit("jti-1", again.digest, account_id="account-1", channel="portal", now=NOW)


def test_a_corrected_case_is_not_paid_twice():
    """The fee was paid before the correction: the case awaits review at once, and no fee is due."""
    again = correcting().draft_anew(with_terms("بند مصحح"), "account-1").state

    outcome = again.submit("jti-2", again.digest, account_id="account-1", channel="portal", now=NOW)
    case, published = outcome.state, outcome.facts

    assert case.state is State.AWAITING_REVIEW
    assert published == ()


def test_a_correction_cannot_change_the_kind():
    """Another kind may have another fee."""
    with pytest.raises(errors.KindIsPaid):
        correcting().draft_anew(replace(CONTENT, kind=Kind.BANK), "account-1")


@pytest.mark.parametrize("account_id", ["account-2", "", "account-9"])
def test_only_the_principal_changes_and_submits(account_id):
    """For other accounts, also the agent's, the power of attorney is not found."""
    case = drafted()

    with pytest.raises(errors.PowerOfAttorneyNotFound):
        case.draft_anew(CONTENT, account_id)
    with pytest.raises(errors.PowerOfAttorneyNotFound):
        case.submit("jti", case.digest, account_id=account_id, channel="portal", now=NOW)


def test_a_repeated_settlement_changes_nothing():
    """The event may be repeated at any stage."""
    for case in (paid(), claimed(), collected()):
        assert case.settle("payment-1", NOW) == Outcome(case)


@pytest.mark.parametrize("person_id", [PRINCIPAL.person_id, AGENT.person_id, "person-7", ""])
def test_a_party_to_a_case_never_reviews_it(person_id):
    """Parties are principal, agent and the person who entered it; an officer without a person is refused too."""
    reviewer = Reviewer("officer-1", person_id)
    unclaimed = replace(paid(), entered_by="person-7")
    in_review = replace(claimed(), entered_by="person-7")

    with pytest.raises(errors.PartyToCase):
        unclaimed.claim(reviewer, "claim", NOW)
    with pytest.raises(errors.PartyToCase):
        in_review.decide(
            ReviewDecision.APPROVE, "", reviewer=reviewer, office=CAIRO, verification_code=CODE, now=NOW
        )


def test_a_reviewer_decides_only_the_case_they_claimed():
    """The case of another reviewer is refused."""
    with pytest.raises(errors.NotYourCase):
        claimed().decide(
            ReviewDecision.APPROVE,
            "",
            reviewer=Reviewer("officer-5", "person-5"),
            office=CAIRO,
            verification_code=CODE,
            now=NOW,
        )


@pytest.mark.parametrize("decision", [ReviewDecision.CORRECT, ReviewDecision.REFUSE])
@pytest.mark.parametrize("reason", ["", "   "])
def test_a_returned_case_needs_a_reason(decision, reason):
    """A blank text is not a reason."""
    with pytest.raises(errors.ReasonRequired):
        decided(decision, reason)


@pytest.mark.parametrize(
    ("decision", "state", "refused"),
    [(ReviewDecision.CORRECT, State.CORRECTION, False), (ReviewDecision.REFUSE, State.REFUSED, True)],
)
def test_a_returned_case_is_corrected_or_refused(decision, state, refused):
    """The facts of correction and refusal differ."""
    outcome = claimed().decide(
        decision, "سبب", reviewer=REVIEWER, office=CAIRO, verification_code=CODE, now=NOW
    )
    case, published = outcome.state, outcome.facts

    assert (case.state, case.open_reviewer, case.office_id) == (state, None, "")
    assert published == (facts.Returned(case.id, case.number, "account-1", refused),)


def test_approval_assigns_the_office_and_the_code():
    """From then on the document can be rendered."""
    case = approved()

    assert (case.office_id, case.office_name, case.verification_code) == (CAIRO.id, CAIRO.name, CODE)
    assert case.open_reviewer is None


def test_a_second_document_is_not_issued():
    """The first signed document is the issued one."""
    first = issued()

    second = first.issue("f" * 64, NOW + timedelta(days=1))

    assert second == Outcome(first)


@pytest.mark.parametrize("office_id", ["", "notary-giza-01"])
def test_no_other_office_hands_the_document_over(office_id):
    """A clerk without an office or of another one is refused, before and after the issue."""
    for case in (approved(), issued()):
        with pytest.raises(errors.OtherOffice):
            case.collect(clerk=CLERK, office_id=office_id, now=NOW)


def test_a_clerk_does_not_hand_over_their_own_document():
    """Separation of duties applies at the counter too."""
    with pytest.raises(errors.PartyToCase):
        issued().collect(clerk=Reviewer("officer-2", AGENT.person_id), office_id=CAIRO.id, now=NOW)


def test_a_released_case_keeps_its_place_in_the_queue():
    """An undecided claim does not delay the case further."""
    case = claimed()

    kept = case.release(NOW).state
    released = case.release(NOW + timedelta(hours=1)).state

    assert kept == case
    assert (released.state, released.open_reviewer) == (State.AWAITING_REVIEW, None)
    assert released.queue_time == case.queue_time


@pytest.mark.parametrize(
    ("case", "code", "verified"),
    [
        (issued(), CODE, True),
        (collected(), CODE, True),
        (issued(), "0" * 12, False),
        (approved(), CODE, False),
        (drafted(), "", False),
    ],
)
def test_only_an_issued_document_with_its_code_verifies(case, code, verified):
    """An approved document is not issued yet, and an empty code never matches."""
    assert case.verified_by(code) is verified


@pytest.mark.parametrize("broken", [{"confirmed_digest": "0" * 64}, {"digest": "0" * 64}, {"payment_id": ""}])
def test_an_unconfirmed_or_unpaid_case_is_never_approved_or_issued(broken):
    """The check holds even after an error in an earlier step."""
    with pytest.raises(errors.CaseIncomplete):
        replace(claimed(), **broken).decide(
            ReviewDecision.APPROVE, "", reviewer=REVIEWER, office=CAIRO, verification_code=CODE, now=NOW
        )
    with pytest.raises(errors.CaseIncomplete):
        replace(approved(), **broken).issue("d" * 64, NOW)


def test_an_account_can_draft_again_after_an_hour():
    """The limit is for any 60 minutes; the refusal contains the time to wait."""
    limited = Drafting.first("account-1").ask(2, NOW).ask(2, NOW + timedelta(minutes=30))

    with pytest.raises(errors.TooManyDrafts) as refused:
        limited.ask(2, NOW + timedelta(minutes=40))

    assert refused.value.metadata == {"retry_after_seconds": "1200"}
    assert limited.ask(2, NOW + timedelta(hours=1)).asked_at[0] == NOW + timedelta(minutes=30)
