"""Random walks through the life of a power of attorney."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from notary.model.errors import NotaryError
from notary.model.power_of_attorney import Decision, Reviewer, State

from .samples import AGENT, CAIRO, CODE, CONTENT, NOW, PRINCIPAL, drafted, with_terms

PEOPLE = [PRINCIPAL.person_id, AGENT.person_id, "person-7", "person-8", "person-9", ""]
APART = {"person-8", "person-9"}
people = st.sampled_from(PEOPLE)
terms = st.sampled_from(["بند أول", "بند ثان"])


class Life(RuleBasedStateMachine):
    """Anybody does anything at any time; what was really done is written down beside the case."""

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
        """Try an operation; a refusal leaves everything as it was."""
        self.now += timedelta(minutes=1)
        before = self.case
        try:
            after, stated = operation(before)
        except NotaryError:
            assert self.case == before
            return None
        self.case = after
        return after, stated

    @rule(term=terms, account=st.sampled_from(["account-1", "account-2"]))
    def draft_anew(self, term, account):
        self.act(lambda case: case.draft_anew(with_terms(term), account))

    @rule(
        jti=st.sampled_from(["j1", "j2", "j3", "j4"]), term=terms, account=st.sampled_from(["account-1", "x"])
    )
    def submit(self, jti, term, account):
        digest = with_terms(term).digest() if term else CONTENT.digest()
        done = self.act(
            lambda case: case.submit(jti, digest, account_id=account, channel="portal", now=self.now)
        )
        if done:
            assert jti not in self.used
            self.used.append(jti)
            self.confirmed = digest

    @rule(payment=st.sampled_from(["p1", "p2"]))
    def settle(self, payment):
        done = self.act(lambda case: case.settle(payment, self.now))
        if done:
            self.settled = True

    @rule(person=people)
    def claim(self, person):
        done = self.act(lambda case: case.claim(Reviewer(f"of-{person}", person), "claim", self.now))
        if done:
            assert person in APART

    @rule(hours=st.integers(0, 3))
    def release(self, hours):
        self.act(lambda case: case.release(self.now - timedelta(hours=hours)))

    @rule(person=people, decision=st.sampled_from(Decision), reason=st.sampled_from(["", "سبب"]))
    def decide(self, person, decision, reason):
        done = self.act(
            lambda case: case.decide(
                decision,
                reason,
                reviewer=Reviewer(f"of-{person}", person),
                office=CAIRO,
                verification_code=CODE,
                now=self.now,
            )
        )
        if done and decision is Decision.APPROVE:
            self.approved_by = person

    @rule(digest=st.sampled_from(["a" * 64, "b" * 64]))
    def issue(self, digest):
        done = self.act(lambda case: case.issue(digest, self.now))
        if done:
            self.issued_digests.add(self.case.document_digest)

    @rule(person=people, office=st.sampled_from([CAIRO.id, "notary-giza-01", ""]))
    def collect(self, person, office):
        done = self.act(
            lambda case: case.collect(clerk=Reviewer("clerk", person), office_id=office, now=self.now)
        )
        if done:
            self.collected_at.append(office)

    @invariant()
    def nothing_is_issued_without_confirmation_fee_and_approval(self):
        if self.case.in_force or self.case.state is State.APPROVED:
            assert self.confirmed == self.case.digest == self.case.content.digest()
            assert self.settled
            assert self.approved_by in APART

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


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
