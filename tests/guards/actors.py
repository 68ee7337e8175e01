"""People who use the platform from outside, and cases in every state that a scenario needs."""

import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from chassis.tokens import sign_assertion
from demo import registry
from demo.actors import Citizen, sign_in
from demo.calls import Platform, Refused
from demo.environment import Environment
from demo.journey import ACQUIRER_TEST_CARD, PURPOSE, Journey
from demo.phone import Phone
from demo.session import Session
from diwan.identity.v1 import identity_pb2 as identity
from diwan.notary.v1 import notary_pb2 as notary
from diwan.payments.v1 import payments_pb2 as payments
from embedded.layout import Layout
from joserfc.jwk import ECKey
from population import Person, people

from .probes import Probes, wait_for
from .wire import claims

SEED = 77_003
POPULATION = 240
REFRESH_SECONDS = 10 * 60  # a token lasts 15 minutes
TERM = "وله الحق في التوقيع نيابة عني أمام مكتب السجل العيني بالمنصورة"


@dataclass
class SignedInOfficer:
    """An officer with a session; its tokens are refreshed before they expire."""

    officer_id: str
    person: Person
    session: Session
    refreshed_at: float


class Actors:
    """New citizens and officers on a stack with a completed journey.

    Each person is used once, because codes are limited by person and mobile.

    Attributes:
        people: the population; none of them is in the journey's.
        used: the persons used so far, oldest first.
    """

    def __init__(self, environment: Environment, layout: Layout, probes: Probes, journey: Journey) -> None:
        self.environment = environment
        self.layout = layout
        self.probes = probes
        self.platform = Platform(environment.targets)
        self.people = self._population(journey)
        self.used: list[Person] = []
        self._adults: Iterator[Person] = (person for person in self.people if person.is_adult)
        self._officers: dict[tuple[str, str], SignedInOfficer] = {}
        self._administrator = journey.administrator
        self._staff_count = 0
        registry.publish(environment, self.people)
        ids = [person.person_id for person in self.people]
        wait_for(
            "the extract",
            lambda: probes.count("identity", "persons", state__person_id={"$in": ids}) == len(ids),
        )
        self.agent = self.enrolled_citizen()

    @staticmethod
    def _population(journey: Journey) -> list[Person]:
        """Return a population without the national IDs and mobiles of the journey's people."""
        taken = {person.national_id for person in journey.people} | {p.mobile for p in journey.people}
        return [p for p in people(SEED, POPULATION) if not {p.national_id, p.mobile} & taken]

    def close(self) -> None:
        self.platform.close()

    def person(self) -> Person:
        """Return an adult of the registry who was not used yet."""
        self.used.append(next(self._adults))
        return self.used[-1]

    def phone(self, person: Person) -> Phone:
        return Phone(self.environment.phones_url, person.mobile)

    # Officers

    def staff_number(self) -> str:
        self._staff_count += 1
        return f"G-{self._staff_count:04}"

    def officer_request(
        self, *roles: str, office: str = ""
    ) -> tuple[Person, identity.RegisterOfficerRequest]:
        """Return a new person and a request that registers the person as an officer."""
        person = self.person()
        return person, identity.RegisterOfficerRequest(
            request_id=str(uuid.uuid4()),
            staff_number=self.staff_number(),
            national_id=person.national_id,
            mobile=person.mobile,
            roles=roles,
            office_id=office,
        )

    def new_officer(self, role: str, office: str = "", by: Session | None = None) -> SignedInOfficer:
        """Register an officer in the session `by`, or that of our own administrator, and sign the officer in."""
        person, request = self.officer_request(role, office=office)
        by = by or self.administrator()
        officer = self.platform.call("identity", "RegisterOfficer", request, by)
        subject = {"staff_number": request.staff_number}
        session = sign_in(self.platform, self.phone(person), "post_office", subject)
        return SignedInOfficer(officer.officer_id, person, session, time.monotonic())

    def officer(self, role: str, office: str = "") -> SignedInOfficer:
        """Return the officer of a role and office, the same at every call."""
        if (role, office) not in self._officers:
            self._officers[role, office] = self.new_officer(role, office)
        officer = self._officers[role, office]
        if time.monotonic() - officer.refreshed_at > REFRESH_SECONDS:
            request = identity.RefreshTokenRequest(refresh_token=officer.session.refresh_token)
            officer.session = Session.of(self.platform.call("identity", "RefreshToken", request))
            officer.refreshed_at = time.monotonic()
        return officer

    def session(self, role: str, office: str = "") -> Session:
        return self.officer(role, office).session

    def administrator(self) -> Session:
        """Return the session of our own administrator, registered by the journey's."""
        if ("administrator", "") not in self._officers:
            first = self._administrator
            if claims(first.session.token("identity"))["exp"] < time.time() + 60:
                first.phone.read = len(first.phone.messages())
                first.sign_in(self.platform)
            self._officers["administrator", ""] = self.new_officer("administrator", by=first.session)
        return self.session("administrator")

    def operator_token(self, audience: str) -> str:
        """Return an access token of the operator, issued for an assertion signed with the operator's key."""
        key = ECKey.import_key(json.loads((self.layout.keys / "operator" / "client.jwk").read_text()))
        assertion = sign_assertion(key, "operator", datetime.now(UTC), str(uuid.uuid4()))
        request = identity.IssueServiceTokenRequest(client_assertion=assertion, audience=audience)
        return str(self.platform.call("identity", "IssueServiceToken", request).access_token)

    # Citizens

    def counter_request(self, person: Person) -> identity.EnrolAtCounterRequest:
        """Return a request that enrols a person at the counter."""
        return identity.EnrolAtCounterRequest(
            request_id=str(uuid.uuid4()),
            national_id=person.national_id,
            first_name=person.first_name,
            mother_first_name=person.mother_first_name,
            mobile=person.mobile,
            card_seen=True,
        )

    def enrolled_citizen(self) -> Citizen:
        """Return a new citizen with an account, not signed in."""
        person = self.person()
        clerk = self.session("clerk", "post-0777")
        account = self.platform.call("identity", "EnrolAtCounter", self.counter_request(person), clerk)
        return Citizen(person, self.phone(person), account.account_id)

    def signed_in_citizen(self) -> Citizen:
        """Return a new citizen with an account and a session."""
        citizen = self.enrolled_citizen()
        citizen.sign_in(self.platform)
        return citizen

    # Powers of attorney

    def draft_request(self, term: str = TERM, case_id: str = "") -> notary.DraftPowerOfAttorneyRequest:
        """Return a request that drafts a general power of attorney for the agent."""
        return notary.DraftPowerOfAttorneyRequest(
            request_id=str(uuid.uuid4()),
            power_of_attorney_id=case_id,
            kind=notary.POWER_OF_ATTORNEY_KIND_GENERAL,
            agent_national_id=self.agent.person.national_id,
            agent_first_name=self.agent.person.first_name,
            special_terms=[term],
        )

    def submit_request(self, principal: Citizen, case: Any) -> notary.SubmitPowerOfAttorneyRequest:
        """Return a request that submits a draft, with a new confirmation."""
        return notary.SubmitPowerOfAttorneyRequest(
            request_id=str(uuid.uuid4()),
            power_of_attorney_id=case.power_of_attorney_id,
            confirmation=principal.confirm(self.platform, PURPOSE, case.digest),
        )

    def payment_request(self, case: Any, card: str = ACQUIRER_TEST_CARD) -> payments.CreatePaymentRequest:
        """Return a request that pays the fee of a case."""
        return payments.CreatePaymentRequest(
            request_id=str(uuid.uuid4()),
            subject_id=case.power_of_attorney_id,
            means=payments.PAYMENT_MEANS_CARD,
            card_token=card,
        )

    def create_draft(self, principal: Citizen) -> Any:
        return self.platform.call("notary", "DraftPowerOfAttorney", self.draft_request(), principal.session)

    def create_due_case(self, principal: Citizen) -> tuple[Any, Any]:
        """Submit a new case; return it and its payment, which is due."""
        draft = self.create_draft(principal)
        request = self.submit_request(principal, draft)
        case = self.platform.call("notary", "SubmitPowerOfAttorney", request, principal.session)
        return case, wait_for("the payment to be due", lambda: self.get_payment(principal, case))

    def get_payment(self, principal: Citizen, case: Any) -> Any:
        """Return the payment of a case, None while there is none."""
        request = payments.GetPaymentRequest(subject_id=case.power_of_attorney_id)
        try:
            return self.platform.call("payments", "GetPayment", request, principal.session)
        except Refused as refused:
            if refused.reason != "PAYMENT_NOT_FOUND":
                raise
            return None

    def create_paid_case(self) -> tuple[Citizen, Any]:
        """Return a principal and a paid case, which awaits review."""
        principal = self.signed_in_citizen()
        case, _ = self.create_due_case(principal)
        self.platform.call("payments", "CreatePayment", self.payment_request(case), principal.session)
        awaiting_review = notary.POWER_OF_ATTORNEY_STATE_AWAITING_REVIEW
        wait_for("the payment", lambda: self.get_case(case, principal.session).state == awaiting_review)
        return principal, case

    def get_case(self, case: Any, session: Session | None) -> Any:
        request = notary.GetPowerOfAttorneyRequest(power_of_attorney_id=case.power_of_attorney_id)
        return self.platform.call("notary", "GetPowerOfAttorney", request, session)

    def claim_case(self) -> Any:
        """Claim a case for the reviewer; at least one is in the queue."""
        self.create_paid_case()
        return self._claim_next()

    def _claim_next(self) -> Any:
        request = notary.ClaimNextReviewRequest()
        return self.platform.call("notary", "ClaimNextReview", request, self.session("reviewer"))

    def decision_request(
        self, case: Any, decision: Any = notary.REVIEW_DECISION_APPROVE, reason: str = ""
    ) -> notary.DecideReviewRequest:
        return notary.DecideReviewRequest(
            request_id=str(uuid.uuid4()),
            power_of_attorney_id=case.power_of_attorney_id,
            decision=decision,
            reason=reason,
        )

    def create_issued_case(self) -> Any:
        """Return a case with an issued document, at an office with a clerk."""
        self.create_paid_case()
        return self.approve_next_case()

    def approve_next_case(self) -> Any:
        """Approve the case that has waited longest; return it once its document is issued to an office with a clerk."""
        request = self.decision_request(self._claim_next())
        case = self.platform.call("notary", "DecideReview", request, self.session("reviewer"))
        issued = notary.POWER_OF_ATTORNEY_STATE_ISSUED
        wait_for("the document to be issued", lambda: self._get_as_clerk(case).state == issued)
        return case

    def _get_as_clerk(self, case: Any) -> Any:
        try:
            return self.get_case(case, self.session("clerk", case.office_id))
        except Refused:  # a clerk can read a case only once its document is issued to the office
            return notary.PowerOfAttorney()

    def refuse(self, case: Any, session: Session) -> None:
        """Refuse a claimed case, so that its reviewer can claim another."""
        request = self.decision_request(case, notary.REVIEW_DECISION_REFUSE, "لم تكتمل المستندات")
        self.platform.call("notary", "DecideReview", request, session)

    def empty_review_queue(self) -> None:
        """Claim and refuse all waiting cases, so that the next claim finds none of ours."""
        while True:
            try:
                case = self._claim_next()
            except Refused as refused:
                if refused.reason != "QUEUE_EMPTY":
                    raise
                return
            self.refuse(case, self.session("reviewer"))
