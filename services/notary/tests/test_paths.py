"""Random sequences of operations on a power of attorney."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from notary.model.errors import NotaryError
from notary.model.power_of_attorney import ReviewDecision, Reviewer, State

from .samples import AGENT, CAIRO, CODE, NOW, PRINCIPAL, drafted, with_terms

PEOPLE = [PRINCIPAL.person_id, AGENT.person_id, "person-7", "person-8", "person-9", ""]
UNRELATED = {"person-8", "person-9"}
people = st.sampled_from([*PEOPLE, "person-8", "person-9"])
reasons = st.sampled_from(["", "سبب", "سبب"])
terms = st.sampled_from(["بند أول", "بند ثان"])


def only_in(*states):
    """Limit a rule to these states: those in which it is allowed, and those just before and after."""
    return precondition(lambda self: self.case.state in states)


class LifeCycle(RuleBasedStateMachine):
    """Random callers try operations near the current state, and the successful ones are recorded.

    The table of stages in test_power_of_attorney.py covers all other pairs of state and operation.
    """

    @initialize()
    def begin(self):
        self.case = replace(drafted(), entered_by="person-7")
        self.now = NOW
        self.used: list[str] = []
        self.confirmed = ""
        self.settled = False
        self.approved_by = ""
        self.issued_digests: set[str] = set()
        self.collected_at: list[str] = []

    def act(self, operation):
        """Try an operation; a refusal must leave the case unchanged."""
        self.now += timedelta(minutes=1)
        before = self.case
        try:
            outcome = operation(before)
        except NotaryError:
            assert self.case == before
            return None
        self.case = outcome.state
        return outcome

    @only_in(State.DRAFT, State.CORRECTION, State.AWAITING_REVIEW)
    @rule(term=terms, account=st.sampled_from(["account-1", "account-2"]))
    def draft_anew(self, term, account):
        self.act(lambda case: case.draft_anew(with_terms(term), account))

    @only_in(State.DRAFT, State.AWAITING_PAYMENT)
    @rule(number=st.integers(1, 6), own=st.sampled_from([True, True, False]))
    def submit(self, number, own):
        jti, account = f"jti-{number}", "account-1" if number < 6 else "account-2"
        digest = self.case.digest if own else with_terms("بند لم يكتب").digest()
        done = self.act(
            lambda case: case.submit(jti, digest, account_id=account, channel="portal", now=self.now)
        )
        if done:
            assert own
            assert account == "account-1"
            assert jti not in self.used
            self.used.append(jti)
            self.confirmed = digest

    @only_in(State.DRAFT, State.AWAITING_PAYMENT, State.IN_REVIEW, State.REFUSED, State.COLLECTED)
    @rule(payment=st.sampled_from(["p1", "p2"]))
    def settle(self, payment):
        done = self.act(lambda case: case.settle(payment, self.now))
        if done:
            self.settled = True

    @only_in(State.AWAITING_PAYMENT, State.AWAITING_REVIEW, State.IN_REVIEW)
    @rule(person=people)
    def claim(self, person):
        done = self.act(lambda case: case.claim(Reviewer(f"of-{person}", person), "claim", self.now))
        if done:
            assert person in UNRELATED

    @only_in(State.IN_REVIEW, State.APPROVED)
    @rule(hours=st.integers(0, 3))
    def release(self, hours):
        self.act(lambda case: case.release(self.now - timedelta(hours=hours)))

    @only_in(State.AWAITING_REVIEW, State.IN_REVIEW, State.APPROVED)
    @rule(holder=st.booleans(), person=people, decision=st.sampled_from(ReviewDecision), reason=reasons)
    def decide(self, holder, person, decision, reason):
        officer = self.case.open_reviewer if holder and self.case.open_reviewer else f"of-{person}"
        done = self.act(
            lambda case: case.decide(
                decision,
                reason,
                reviewer=Reviewer(officer, person),
                office=CAIRO,
                verification_code=CODE,
                now=self.now,
            )
        )
        if done:
            assert person in UNRELATED
        if done and decision is ReviewDecision.APPROVE:
            self.approved_by = person

    @only_in(State.IN_REVIEW, State.APPROVED, State.ISSUED)
    @rule(digest=st.sampled_from(["a" * 64, "b" * 64]))
    def issue(self, digest):
        done = self.act(lambda case: case.issue(digest, self.now))
        if done:
            self.issued_digests.add(self.case.document_digest)

    @only_in(State.APPROVED, State.ISSUED, State.COLLECTED)
    @rule(person=people, office=st.sampled_from([CAIRO.id, "notary-giza-01", ""]))
    def collect(self, person, office):
        done = self.act(
            lambda case: case.collect(clerk=Reviewer("clerk", person), office_id=office, now=self.now)
        )
        if done:
            assert person in UNRELATED
            self.collected_at.append(office)

    @invariant()
    def nothing_is_issued_without_confirmation_fee_and_approval(self):
        if self.case.in_force or self.case.state is State.APPROVED:
            assert self.confirmed == self.case.digest == self.case.content.digest()
            assert self.settled
            assert self.approved_by in UNRELATED

    @invariant()
    def nothing_is_reviewed_without_confirmation_and_fee(self):
        if self.case.state in {State.AWAITING_REVIEW, State.IN_REVIEW}:
            assert self.confirmed == self.case.digest
            assert self.settled

    @invariant()
    def there_is_one_document_and_one_handing_over(self):
        assert len(self.issued_digests) <= 1
        assert self.collected_at in ([], [CAIRO.id])

    @invariant()
    def a_reviewer_holds_it_exactly_in_review(self):
        assert (self.case.open_reviewer is not None) == (self.case.state is State.IN_REVIEW)


TestLifeCycle = LifeCycle.TestCase
TestLifeCycle.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
