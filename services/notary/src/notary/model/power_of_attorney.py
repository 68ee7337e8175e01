"""The aggregate: a power of attorney from draft to collection.

DRAFT ─submit─▶ AWAITING_PAYMENT ─settle─▶ AWAITING_REVIEW ─claim─▶ IN_REVIEW ─approve─▶ APPROVED
  ▲                                            ▲    ▲ ◀─release────────┤ │              │ issue
  └─draft anew─ CORRECTION ◀────correct────────│────│──────────────────┤ └─refuse─▶ REFUSED
                (paid: submit goes to AWAITING_REVIEW)                        ISSUED ─collect─▶ COLLECTED
"""

import hmac
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum

from chassis.domain import Outcome

from notary.model import errors
from notary.model.content import Content, Kind, Office, masked_name, service_of
from notary.model.facts import Approved, Collected, Fact, Issued, Returned, Submitted

CONFIRMATIONS_KEPT = 50
CLAIMS_KEPT = 50
REVIEWS_KEPT = 50


class State(Enum):
    """State of a power of attorney."""

    DRAFT = "draft"
    AWAITING_PAYMENT = "awaiting_payment"
    AWAITING_REVIEW = "awaiting_review"
    IN_REVIEW = "in_review"
    CORRECTION = "correction"
    REFUSED = "refused"
    APPROVED = "approved"
    ISSUED = "issued"
    COLLECTED = "collected"


class ReviewDecision(Enum):
    """Decision of a reviewer."""

    APPROVE = "approve"
    CORRECT = "correct"
    REFUSE = "refuse"


@dataclass(frozen=True)
class Reviewer:
    """A reviewer: the officer's id, and the person behind the officer."""

    id: str
    person_id: str


@dataclass(frozen=True)
class Claim:
    """A reviewer's claim of the case; `id` is the request id of the call."""

    id: str
    reviewer_id: str
    time: datetime


@dataclass(frozen=True)
class Review:
    """A reviewer's decision, with its reason and time."""

    reviewer_id: str
    decision: ReviewDecision
    reason: str
    time: datetime


@dataclass(frozen=True)
class PowerOfAttorney:
    """One power of attorney. Times are UTC."""

    id: str
    number: str
    state: State
    content: Content
    digest: str
    entered_by: str
    create_time: datetime
    channel: str = ""
    confirmation_ids: tuple[str, ...] = ()
    confirmed_digest: str = ""
    payment_id: str = ""
    queue_time: datetime | None = None
    claims: tuple[Claim, ...] = ()
    open_reviewer: str | None = None
    claim_time: datetime | None = None
    reviews: tuple[Review, ...] = ()
    office_id: str = ""
    office_name: str = ""
    verification_code: str = ""
    document_digest: str = ""
    issue_time: datetime | None = None
    collect_time: datetime | None = None
    collected_by: str = ""

    @property
    def service(self) -> str:
        """The service in the tariff."""
        return service_of(self.content.kind)

    @property
    def in_force(self) -> bool:
        """Whether the document binds third parties now."""
        return self.state in {State.ISSUED, State.COLLECTED}

    @property
    def review_reason(self) -> str:
        """The reason of the last review, empty if there is none."""
        return self.reviews[-1].reason if self.reviews else ""

    def draft_anew(self, content: Content, account_id: str) -> Outcome["PowerOfAttorney", Fact]:
        """Replace the draft's content, before its submission or for a correction."""
        self._check_principal(account_id)
        if self.state not in {State.DRAFT, State.CORRECTION}:
            raise errors.NotADraft
        if self.payment_id and content.kind is not self.content.kind:
            raise errors.KindIsPaid
        content.check()
        return Outcome(replace(self, state=State.DRAFT, content=content, digest=content.digest()))

    def check_submittable(self, account_id: str) -> None:
        """Raise PowerOfAttorneyNotFound or NotADraft if this account cannot submit it."""
        self._check_principal(account_id)
        if self.state is not State.DRAFT:
            raise errors.NotADraft

    def submit(
        self, confirmation_id: str, digest: str, *, account_id: str, channel: str, now: datetime
    ) -> Outcome["PowerOfAttorney", Fact]:
        """Submit the draft with a confirmation of exactly this content, each of single use.

        After a correction, a paid one awaits a review at once: no second fee is due.
        """
        self.check_submittable(account_id)
        if not confirmation_id or confirmation_id in self.confirmation_ids:
            raise errors.ConfirmationInvalid
        if not hmac.compare_digest(digest.encode(), self.digest.encode()):
            raise errors.ConfirmationMismatch
        confirmed = replace(
            self,
            channel=channel,
            confirmed_digest=digest,
            confirmation_ids=(*self.confirmation_ids, confirmation_id)[-CONFIRMATIONS_KEPT:],
        )
        if self.payment_id:
            return Outcome(replace(confirmed, state=State.AWAITING_REVIEW, queue_time=now))
        fact = Submitted(
            self.id, self.number, account_id, self.service, channel, self.content.governorate, now
        )
        return Outcome(replace(confirmed, state=State.AWAITING_PAYMENT), (fact,))

    def settle(self, payment_id: str, now: datetime) -> Outcome["PowerOfAttorney", Fact]:
        """Record the payment and queue the case for review; idempotent for the same payment."""
        assert payment_id, "a settled payment has an id"
        if payment_id == self.payment_id:
            return Outcome(self)
        if self.state is not State.AWAITING_PAYMENT:
            raise errors.NotAwaitingPayment
        return Outcome(replace(self, state=State.AWAITING_REVIEW, payment_id=payment_id, queue_time=now))

    def claim(self, reviewer: Reviewer, claim_id: str, now: datetime) -> Outcome["PowerOfAttorney", Fact]:
        """Assign the case to a reviewer; PartyToCase if they entered it or are a party."""
        if self.state is not State.AWAITING_REVIEW:
            raise errors.NotAwaitingReview
        self._check_apart(reviewer.person_id)
        claims = (*self.claims, Claim(claim_id, reviewer.id, now))[-CLAIMS_KEPT:]
        return Outcome(
            replace(self, state=State.IN_REVIEW, claims=claims, open_reviewer=reviewer.id, claim_time=now)
        )

    def release(self, claimed_before: datetime) -> Outcome["PowerOfAttorney", Fact]:
        """Return a case claimed before `claimed_before` to its old place in the queue; otherwise unchanged."""
        if self.state is not State.IN_REVIEW or self.claim_time is None or self.claim_time >= claimed_before:
            return Outcome(self)
        return Outcome(replace(self, state=State.AWAITING_REVIEW, open_reviewer=None, claim_time=None))

    def decide(
        self,
        decision: ReviewDecision,
        reason: str,
        *,
        reviewer: Reviewer,
        office: Office,
        verification_code: str,
        now: datetime,
    ) -> Outcome["PowerOfAttorney", Fact]:
        """Decide a claimed case. Approval assigns the office and the code that will be printed."""
        if self.state is not State.IN_REVIEW or self.open_reviewer != reviewer.id:
            raise errors.NotYourCase
        self._check_apart(reviewer.person_id)
        if decision is not ReviewDecision.APPROVE and not reason.strip():
            raise errors.ReasonRequired
        review = Review(reviewer.id, decision, reason.strip(), now)
        decided = replace(
            self, reviews=(*self.reviews, review)[-REVIEWS_KEPT:], open_reviewer=None, claim_time=None
        )
        if decision is not ReviewDecision.APPROVE:
            refused = decision is ReviewDecision.REFUSE
            state = State.REFUSED if refused else State.CORRECTION
            returned = Returned(self.id, self.number, self.content.principal.account_id, refused)
            return Outcome(replace(decided, state=state), (returned,))
        self._check_complete()
        assert verification_code, "an approved document has a code"
        assert office.governorate == self.content.governorate, "the office is of the principal's governorate"
        approved = replace(
            decided,
            state=State.APPROVED,
            office_id=office.id,
            office_name=office.name,
            verification_code=verification_code,
        )
        return Outcome(approved, (Approved(self.id, self.number, office.id),))

    def issue(self, document_digest: str, now: datetime) -> Outcome["PowerOfAttorney", Fact]:
        """Record the digest of the signed document; idempotent: the first document stays the issued one."""
        assert document_digest, "a document has a digest"
        if self.in_force:
            return Outcome(self)
        if self.state is not State.APPROVED:
            raise errors.NotApproved
        self._check_complete()
        issued = replace(self, state=State.ISSUED, document_digest=document_digest, issue_time=now)
        principal = self.content.principal.account_id
        fact = Issued(self.id, self.number, principal, self.office_id, self.office_name, document_digest)
        return Outcome(issued, (fact,))

    def collect(self, *, clerk: Reviewer, office_id: str, now: datetime) -> Outcome["PowerOfAttorney", Fact]:
        """Record the collection, by a clerk of exactly the assigned office who is not a party to the case."""
        if self.office_id and (not office_id or office_id != self.office_id):
            raise errors.OtherOffice
        if self.state is not State.ISSUED:
            raise errors.NotIssued
        self._check_apart(clerk.person_id)
        collected = replace(self, state=State.COLLECTED, collect_time=now, collected_by=clerk.id)
        principal = self.content.principal.account_id
        return Outcome(collected, (Collected(self.id, self.number, principal, self.office_id, now),))

    def verified_by(self, verification_code: str) -> bool:
        """Whether the code is the printed one and the document is in force; in constant time."""
        code_matches = hmac.compare_digest(self.verification_code.encode(), verification_code.encode())
        return code_matches and self.in_force

    def masked_names(self) -> tuple[str, str]:
        """Principal's and agent's name as a third party may see them."""
        return masked_name(self.content.principal.full_name), masked_name(self.content.agent.full_name)

    def _check_principal(self, account_id: str) -> None:
        if not account_id or account_id != self.content.principal.account_id:
            raise errors.PowerOfAttorneyNotFound

    def _check_apart(self, person_id: str) -> None:
        """Separation of duties: raise PartyToCase for a party, and for an officer without a person id."""
        parties = {self.content.principal.person_id, self.content.agent.person_id, self.entered_by}
        if not person_id or person_id in parties:
            raise errors.PartyToCase

    def _check_complete(self) -> None:
        """Raise CaseIncomplete unless the exact content is confirmed and paid for."""
        confirmed = self.confirmed_digest == self.digest == self.content.digest()
        if not (confirmed and self.payment_id):
            raise errors.CaseIncomplete


def draft(content: Content, *, number: str, entered_by: str, now: datetime) -> Outcome[PowerOfAttorney, Fact]:
    """A new power of attorney; `entered_by` is the person who entered it.

    Raises:
        AgentIsPrincipal, SpecialTermInvalid.
    """
    content.check()
    case = PowerOfAttorney(content.draft_id, number, State.DRAFT, content, content.digest(), entered_by, now)
    return Outcome(case)


__all__ = ["Kind", "PowerOfAttorney", "Review", "ReviewDecision", "Reviewer", "State", "draft"]
