"""The journey: one citizen's power of attorney, from the registry's extract to the verified document."""

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from diwan.notary.v1 import notary_pb2 as notary
from diwan.payments.v1 import payments_pb2 as payments
from opentelemetry import trace
from pika.exceptions import AMQPError
from population import Person

from demo import operator, registry
from demo.actors import Citizen, Officer
from demo.calls import OnFailure, Platform, Refused
from demo.environment import Environment
from demo.participants import Participants
from demo.phone import Phone

ACQUIRER_TEST_CARD = "tok_ok"
SERVICE = "notary.power_of_attorney.general"
PURPOSE = "notary.power_of_attorney.submit"
SPECIAL_TERM = "وله الحق في استلام نسخة من كشف حساب التوفير الخاص بي من أي مكتب بريد"
TARIFF = Path(__file__).parent / "tariff.yaml"
TIMEOUT_SECONDS = 60
POLL_SECONDS = 0.1

tracer = trace.get_tracer("diwan.demo")


@dataclass(frozen=True)
class Line:
    """A line of a step's output: an actor, and what the actor did or received."""

    actor: str
    text: str


@dataclass
class Step:
    """A step of the journey: its number, title, lines of output and duration."""

    number: int
    title: str
    lines: list[Line] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, actor: str, text: str) -> None:
        self.lines.append(Line(actor, text))


class StepFailed(Exception):
    """A step did not have the expected result."""


def expect(condition: bool, failure: str) -> None:
    """Fail the step with a message unless the condition is true."""
    if not condition:
        raise StepFailed(failure)


@dataclass
class Journey:
    """The state of one journey; `steps` runs it.

    Attributes:
        environment: addresses of the platform.
        output: folder for the signed document.
        before_step: called with the number of each step before it starts; a test may inject a fault there.
        participants: the people of this journey.
        on_failure: called for each call that failed in spite of the retries of the service config.
    """

    environment: Environment
    output: Path
    before_step: Callable[[int], None] = lambda _: None
    participants: Participants = field(default_factory=Participants)
    on_failure: OnFailure = lambda *_: None
    platform: Platform = field(init=False)
    case: Any = None
    document: bytes = b""
    trace_id: int = 0

    def __post_init__(self) -> None:
        self.platform = Platform(self.environment.targets, self.on_failure)
        self.people = self.participants.people()
        adults = [person for person in self.people if person.is_adult]
        principal = next(p for p in adults if "ا" in p.first_name or "أ" in p.first_name)
        others = iter(person for person in adults if person is not principal)
        self.principal = self._citizen(principal)
        self.agent = self._citizen(next(others))
        self.administrator = self.participants.administrator or self._officer(
            "ADM", 1, next(others), "administrator"
        )
        self.postal_clerk = self._officer("POST", 117, next(others), "clerk", office="post-0117")
        self.reviewer = self._officer("NOT", 42, next(others), "reviewer")
        self.auditor = self._officer("AUD", 3, next(others), "auditor")
        self.unassigned = others

    def _phone(self, person: Person) -> Phone:
        return Phone(self.environment.phones_url, person.mobile)

    def _citizen(self, person: Person) -> Citizen:
        return Citizen(person, self._phone(person))

    def _officer(self, prefix: str, ordinal: int, person: Person, *roles: str, office: str = "") -> Officer:
        number = self.participants.staff_number(prefix, ordinal)
        return Officer(number, person, self._phone(person), roles, office)

    def steps(self) -> Iterator[Step]:
        """Run the journey step by step, in one trace; yield each step when it is finished.

        Raises:
            StepFailed, Refused, TimeoutError: a step did not have the expected result.
        """
        actions = [
            ("The civil registry's extract arrives as events", self.extract),
            ("The agent enrols at a post office, the principal on the portal", self.enrolment),
            ("Everyone signs in by code", self.sign_in),
            ("The published fee is quoted", self.quote),
            ("The power of attorney is drafted and confirmed by code", self.draft),
            ("The fee is paid by card", self.payment),
            ("A reviewer claims the next case and approves it", self.review),
            ("The signed document is issued, and collected at the office", self.issue),
            ("A bank verifies the document", self.verify),
        ]
        with tracer.start_as_current_span("journey of a power of attorney") as root:
            self.trace_id = root.get_span_context().trace_id
            for number, (title, action) in enumerate(actions, start=1):
                self.before_step(number)
                with self._timed(number, title) as step:
                    action(step)
                yield step

    @contextmanager
    def _timed(self, number: int, title: str) -> Iterator[Step]:
        step = Step(number, title)
        started = time.monotonic()
        with tracer.start_as_current_span(f"step {number}: {title}"):
            yield step
        step.seconds = time.monotonic() - started

    def _wait_for(self, name: str, poll: Callable[[], Any]) -> Any:
        """Poll until the result is true, and return it; StepFailed after a minute."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            if result := poll():
                return result
            time.sleep(POLL_SECONDS)
        raise StepFailed(f"timed out after {TIMEOUT_SECONDS} s waiting for {name}")

    def _operator(self, *arguments: str) -> Any:
        return operator.diwan(self.environment.operator_config, *arguments)

    def _case(self) -> Any:
        request = notary.GetPowerOfAttorneyRequest(power_of_attorney_id=self.case.power_of_attorney_id)
        return self.platform.call("notary", "GetPowerOfAttorney", request, self.principal.session)

    # 1
    def extract(self, step: Step) -> None:
        def publish() -> int:
            try:
                return registry.publish(self.environment, self.people)
            except (AMQPError, OSError):  # the broker is away; a repeated event has no second effect
                return 0

        count = self._wait_for("the extract to be published", publish)
        step.add("civil registry", f"published {count} person.registered.v1, each sealed for identity")

    # 2
    def enrolment(self, step: Step) -> None:
        admin = self.administrator
        if self.participants.is_first:
            self._bootstrap(step)
        for officer in (self.postal_clerk, self.reviewer, self.auditor):
            officer.register(self.platform, admin)
            step.add(
                f"administrator {admin.staff_number}",
                f"registered {officer.staff_number} as {', '.join(officer.roles)} {officer.office_id}".rstrip(),
            )
        self.postal_clerk.sign_in(self.platform)
        self._wait_for("the agent's record in identity", self._enrol_agent)
        step.add(
            f"clerk {self.postal_clerk.staff_number}, post office",
            f"checked the card of {self.agent.person.full_name} and enrolled the agent: assurance level high",
        )
        typed, sms = self.principal.enrol(self.platform)
        step.add(
            "principal, portal",
            f"enrolled as «{typed}», which matches «{self.principal.person.first_name}» in the registry",
        )
        step.add("SMS to the principal", sms)

    def _bootstrap(self, step: Step) -> None:
        admin = self.administrator
        self._operator(
            "officer", "bootstrap",
            "--staff-number", admin.staff_number,
            "--national-id", admin.person.national_id,
            "--mobile", admin.person.mobile,
        )  # fmt: skip
        step.add(
            "operator", f"ran `diwan officer bootstrap`: {admin.staff_number} is the first administrator"
        )
        admin.sign_in(self.platform)

    def _enrol_agent(self) -> bool:
        """Enrol the agent; return False while identity has not processed the registry's event."""
        try:
            self.postal_clerk.enrol_at_counter(self.platform, self.agent)
        except Refused as refused:
            expect(refused.reason == "PERSON_NOT_MATCHED", str(refused))
            return False
        return True

    # 3
    def sign_in(self, step: Step) -> None:
        self.principal.sign_in(self.platform)
        step.add("principal, portal", "signed in with the code from the SMS")
        for officer in (self.reviewer, self.auditor):
            officer.sign_in(self.platform)
            step.add(f"{officer.roles[0]} {officer.staff_number}", "signed in with the code from the SMS")

    # 4
    def quote(self, step: Step) -> None:
        if self.participants.is_first:
            published = self._operator("tariff", "publish", str(TARIFF))
            step.add(
                "operator", f"ran `diwan tariff publish`: {len(published['fees'])} fees with their dates"
            )
        for means in (payments.PAYMENT_MEANS_CASH, payments.PAYMENT_MEANS_CARD):
            request = payments.GetQuoteRequest(
                service=SERVICE,
                channel="portal",
                governorate=self.principal.person.governorate,
                means=means,
            )
            quote = self.platform.call("payments", "GetQuote", request)
            name = payments.PaymentMeans.Name(means).removeprefix("PAYMENT_MEANS_").lower()
            step.add(
                "anyone",
                f"by {name}: fee {pounds(quote.fee)}, discount {pounds(quote.discount)},"
                f" to pay {pounds(quote.amount)}",
            )
            self.quoted = quote

    # 5
    def draft(self, step: Step) -> None:
        def draft(special_term: str) -> Any:
            return self.platform.call(
                "notary",
                "DraftPowerOfAttorney",
                notary.DraftPowerOfAttorneyRequest(
                    power_of_attorney_id=self.case.power_of_attorney_id if self.case else "",
                    kind=notary.POWER_OF_ATTORNEY_KIND_GENERAL,
                    agent_national_id=self.agent.person.national_id,
                    agent_first_name=self.agent.person.first_name,
                    special_terms=[special_term],
                ),
                self.principal.session,
            )

        self.case = draft(SPECIAL_TERM + "ه")
        stale = self.principal.confirm(self.platform, PURPOSE, self.case.digest)
        step.add("principal, portal", f"drafted {self.case.number} for {self.agent.person.full_name}")
        self.case = draft(SPECIAL_TERM)
        step.add("principal, portal", "changed one letter after the confirmation")
        try:
            self._submit(stale)
        except Refused as refused:
            expect(
                refused.reason == "CONFIRMATION_MISMATCH", f"expected CONFIRMATION_MISMATCH, got {refused}"
            )
            step.add("notary", f"refused the confirmation of the earlier text: {refused.reason}")
        else:
            raise StepFailed("a confirmation of another text was accepted")
        confirmation = self.principal.confirm(self.platform, PURPOSE, self.case.digest)
        self.case = self._submit(confirmation)
        step.add("principal, portal", f"confirmed exactly this text by code, digest {self.case.digest[:12]}…")

    def _submit(self, confirmation: str) -> Any:
        request = notary.SubmitPowerOfAttorneyRequest(
            power_of_attorney_id=self.case.power_of_attorney_id, confirmation=confirmation
        )
        return self.platform.call("notary", "SubmitPowerOfAttorney", request, self.principal.session)

    # 6
    def payment(self, step: Step) -> None:
        key = payments.GetPaymentRequest(subject_id=self.case.power_of_attorney_id)

        def payment() -> Any:
            try:
                return self.platform.call("payments", "GetPayment", key, self.principal.session)
            except Refused as refused:
                expect(refused.reason == "PAYMENT_NOT_FOUND", str(refused))
                return None

        due = self._wait_for("the payment to be due", payment)
        step.add("payments", f"due for {self.case.number}: {pounds(due.fee)}")
        request = payments.CreatePaymentRequest(
            subject_id=self.case.power_of_attorney_id,
            means=payments.PAYMENT_MEANS_CARD,
            card_token=ACQUIRER_TEST_CARD,
        )
        self.platform.call("payments", "CreatePayment", request, self.principal.session)
        settled = self._wait_for(
            "the settlement",
            lambda: (p := payment()) and p.state == payments.PAYMENT_STATE_SETTLED and p,
        )
        expect(settled.amount == self.quoted.amount, "the charged amount differs from the quoted one")
        step.add(
            "principal, portal",
            f"paid {pounds(settled.amount)} by card; the acquirer confirmed it with a signed callback",
        )
        self.payment_id = settled.payment_id
        entries = self._wait_for("the journal entries", lambda: len(e := self._entries()) >= 2 and e)
        for entry in entries:
            step.add("journal", legs(entry))

    def _entries(self) -> list[Any]:
        request = payments.ListLedgerEntriesRequest(payment_id=self.payment_id, page_size=100)
        entries = self.platform.call("payments", "ListLedgerEntries", request, self.auditor.session).entries
        for entry in entries:
            expect(
                sum(piastres(leg.amount) for leg in entry.legs) == 0, f"entry {entry.kind} does not balance"
            )
        return list(entries)

    # 7
    def review(self, step: Step) -> None:
        approved = self._wait_for("the approval of the paid case", self._approve_next)
        reviewer = f"reviewer {self.reviewer.staff_number}"
        step.add(reviewer, f"claimed {approved.number}, the case that has waited longest")
        step.add(reviewer, f"approved it; it is assigned to {approved.office_name}")

    def _approve_next(self) -> Any:
        """Approve the case that has waited longest; return this journey's case once it is approved, else None.

        The queue is shared: with several journeys, a reviewer may claim the case of another journey.
        """
        try:
            claimed = self.platform.call(
                "notary", "ClaimNextReview", notary.ClaimNextReviewRequest(), self.reviewer.session
            )
        except Refused as refused:
            expect(refused.reason == "QUEUE_EMPTY", str(refused))
            ours = None if self.participants.is_first else self._case()
            return ours if ours and ours.office_name else None
        ours = claimed.power_of_attorney_id == self.case.power_of_attorney_id
        expect(ours or not self.participants.is_first, "another case was claimed")
        request = notary.DecideReviewRequest(
            power_of_attorney_id=claimed.power_of_attorney_id, decision=notary.REVIEW_DECISION_APPROVE
        )
        approved = self.platform.call("notary", "DecideReview", request, self.reviewer.session)
        return approved if ours else None

    # 8
    def issue(self, step: Step) -> None:
        issued = notary.POWER_OF_ATTORNEY_STATE_ISSUED
        self.case = self._wait_for(
            "the document to be issued", lambda: (c := self._case()).state == issued and c
        )
        step.add("SMS to the principal", self.principal.phone.message_with(self.case.office_name))
        request = notary.DownloadPowerOfAttorneyRequest(power_of_attorney_id=self.case.power_of_attorney_id)
        self.document = self.platform.download(
            "notary", "DownloadPowerOfAttorney", request, self.principal.session
        )
        path = self.output / f"{self.case.number}.pdf"
        path.write_bytes(self.document)
        step.add("principal, portal", f"downloaded the signed document, {len(self.document):,} bytes")

        right = self._clerk_of(self.case.office_id, 101)
        wrong = self._clerk_of("another-office", 102)
        collect = notary.CollectPowerOfAttorneyRequest(
            power_of_attorney_id=self.case.power_of_attorney_id, card_seen=True
        )
        try:
            self.platform.call("notary", "CollectPowerOfAttorney", collect, wrong.session)
        except Refused as refused:
            expect(refused.reason == "OTHER_OFFICE", f"expected OTHER_OFFICE, got {refused}")
            step.add(
                f"clerk {wrong.staff_number}, another office", f"was refused the hand-over: {refused.reason}"
            )
        else:
            raise StepFailed("a clerk of another office handed the document over")
        collect.ClearField("request_id")
        self.platform.call("notary", "CollectPowerOfAttorney", collect, right.session)
        step.add(
            f"clerk {right.staff_number}, {self.case.office_name}", "checked the card and handed it over"
        )
        entries = self._wait_for("the agency's journal entry", lambda: len(e := self._entries()) >= 3 and e)
        step.add("journal", legs(entries[-1]))

    def _clerk_of(self, office_id: str, ordinal: int) -> Officer:
        clerk = self._officer("NOT", ordinal, next(self.unassigned), "clerk", office=office_id)
        clerk.register(self.platform, self.administrator)
        clerk.sign_in(self.platform, "service_centre")
        return clerk

    # 9
    def verify(self, step: Step) -> None:
        request = notary.VerifyPowerOfAttorneyRequest(
            number=self.case.number, verification_code=self.case.verification_code
        )
        verified = self.platform.call("notary", "VerifyPowerOfAttorney", request)
        expect(verified.in_force, "the document is not in force")
        digest = hashlib.sha256(self.document).hexdigest()
        expect(verified.document_digest == digest, "the downloaded file is not the issued one")
        state_name = notary.PowerOfAttorneyState.Name(verified.state)
        state = state_name.removeprefix("POWER_OF_ATTORNEY_STATE_").lower()
        step.add(
            "bank", f"verified that {self.case.number} is in force ({state}) and the file is the issued one"
        )
        step.add(
            "bank", f"sees only masked names: {verified.masked_principal_name} → {verified.masked_agent_name}"
        )
        wrong = notary.VerifyPowerOfAttorneyRequest(number=self.case.number, verification_code="0" * 12)
        try:
            self.platform.call("notary", "VerifyPowerOfAttorney", wrong)
        except Refused as refused:
            expect(refused.reason == "DOCUMENT_NOT_FOUND", f"expected DOCUMENT_NOT_FOUND, got {refused}")
            step.add("bank", f"received {refused.reason} for a wrong verification code")
        else:
            raise StepFailed("a wrong verification code was accepted")


def piastres(money: Any) -> int:
    """Convert a Money to piastres."""
    return int(money.units) * 100 + int(money.nanos) // 10_000_000


def pounds(money: Any) -> str:
    """Format a Money for people."""
    return f"{piastres(money) / 100:.2f} EGP"


def legs(entry: Any) -> str:
    """Format a journal entry on one line, with the ids of citizens' accounts left out."""
    parts = [f"{leg.account.split('/')[0] if leg.account.startswith('citizen/') else leg.account}"
             f" {piastres(leg.amount) / 100:+.2f}" for leg in entry.legs]  # fmt: skip
    return f"{entry.kind}: {', '.join(parts)}; sum {sum(piastres(leg.amount) for leg in entry.legs)}"
