"""People who act on the platform from outside, and how far each has come."""

import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from chassis.tokens.jwt import sign_assertion
from demo import registry
from demo.actors import Citizen, sign_in
from demo.calls import Platform, Refused
from demo.journey import ACQUIRER_TEST_CARD, PURPOSE, Journey
from demo.phone import Phone
from demo.session import Session
from demo.world import World
from diwan.identity.v1 import identity_pb2 as identity
from diwan.notary.v1 import notary_pb2 as notary
from diwan.payments.v1 import payments_pb2 as payments
from embedded.layout import Layout
from joserfc.jwk import ECKey
from population import Person, people

from .probes import Probes, until
from .wire import claims

SEED = 77_003
POPULATION = 240
FRESH_SECONDS = 10 * 60  # a token lives 15 minutes
TERM = "وله الحق في التوقيع نيابة عني أمام مكتب السجل العيني بالمنصورة"


@dataclass
class OnDuty:
    """An officer who is signed in; the session's tokens are renewed before they end."""

    officer_id: str
    person: Person
    session: Session
    since: float


class Actors:
    """Fresh citizens and officers on a stack whose journey is done.

    Each person acts once, because codes are limited by person and mobile.
    """

    def __init__(self, world: World, layout: Layout, probes: Probes, journey: Journey) -> None:
        self.world = world
        self.layout = layout
        self.probes = probes
        self.platform = Platform(world.targets)
        self.people = self._strangers(journey)
        self.acted: list[Person] = []
        self._adults: Iterator[Person] = (person for person in self.people if person.is_adult)
        self._on_duty: dict[tuple[str, str], OnDuty] = {}
        self._administrator = journey.administrator
        self._staff = 0
        registry.publish(world, self.people)
        ids = [person.person_id for person in self.people]
        until(
            "the extract",
            lambda: probes.count("identity", "persons", state__person_id={"$in": ids}) == len(ids),
        )
        self.agent = self.enrolled()

    @staticmethod
    def _strangers(journey: Journey) -> list[Person]:
        """A population of our own; nobody shares a number with the journey's."""
        known = {person.national_id for person in journey.people} | {p.mobile for p in journey.people}
        return [p for p in people(SEED, POPULATION) if not {p.national_id, p.mobile} & known]

    def close(self) -> None:
        self.platform.close()

    def person(self) -> Person:
        """An adult of the registry who has not acted yet."""
        self.acted.append(next(self._adults))
        return self.acted[-1]

    def phone(self, person: Person) -> Phone:
        return Phone(self.world.phones_url, person.mobile)

    # Officers

    def staff_number(self) -> str:
        self._staff += 1
        return f"G-{self._staff:04}"

    def registering(self, *roles: str, office: str = "") -> tuple[Person, identity.RegisterOfficerRequest]:
        """A request that registers a fresh officer."""
        person = self.person()
        return person, identity.RegisterOfficerRequest(
            request_id=str(uuid.uuid4()),
            staff_number=self.staff_number(),
            national_id=person.national_id,
            mobile=person.mobile,
            roles=roles,
            office_id=office,
        )

    def new_officer(self, role: str, office: str = "", by: Session | None = None) -> OnDuty:
        """An officer just registered, by an administrator, one of our own if not given, and signed in."""
        person, request = self.registering(role, office=office)
        by = by or self.administrator()
        officer = self.platform.call("identity", "RegisterOfficer", request, by)
        subject = {"staff_number": request.staff_number}
        session = sign_in(self.platform, self.phone(person), "post_office", subject)
        return OnDuty(officer.officer_id, person, session, time.monotonic())

    def officer(self, role: str, office: str = "") -> OnDuty:
        """The officer of this role and office; the same at every call."""
        if (role, office) not in self._on_duty:
            self._on_duty[role, office] = self.new_officer(role, office)
        found = self._on_duty[role, office]
        if time.monotonic() - found.since > FRESH_SECONDS:
            request = identity.RefreshTokenRequest(refresh_token=found.session.refresh_token)
            found.session = Session.of(self.platform.call("identity", "RefreshToken", request))
            found.since = time.monotonic()
        return found

    def session(self, role: str, office: str = "") -> Session:
        return self.officer(role, office).session

    def administrator(self) -> Session:
        """An administrator of our own, registered by the journey's."""
        if ("administrator", "") not in self._on_duty:
            first = self._administrator
            if claims(first.session.token("identity"))["exp"] < time.time() + 60:
                first.phone.read = len(first.phone.messages())
                first.sign_in(self.platform)
            self._on_duty["administrator", ""] = self.new_officer("administrator", by=first.session)
        return self.session("administrator")

    def operator_token(self, audience: str) -> str:
        """A token of the operator, against a statement signed with the operator's own key."""
        key = ECKey.import_key(json.loads((self.layout.keys / "operator" / "client.jwk").read_text()))
        assertion = sign_assertion(key, "operator", datetime.now(UTC), str(uuid.uuid4()))
        request = identity.IssueServiceTokenRequest(client_assertion=assertion, audience=audience)
        return str(self.platform.call("identity", "IssueServiceToken", request).access_token)

    # Citizens

    def counter(self, person: Person) -> identity.EnrolAtCounterRequest:
        """A request that enrols somebody at the counter."""
        return identity.EnrolAtCounterRequest(
            request_id=str(uuid.uuid4()),
            national_id=person.national_id,
            first_name=person.first_name,
            mother_first_name=person.mother_first_name,
            mobile=person.mobile,
            card_seen=True,
        )

    def enrolled(self) -> Citizen:
        """A citizen with an account, not signed in."""
        person = self.person()
        clerk = self.session("clerk", "post-0777")
        account = self.platform.call("identity", "EnrolAtCounter", self.counter(person), clerk)
        return Citizen(person, self.phone(person), account.account_id)

    def signed_in(self) -> Citizen:
        """A citizen with an account and a session."""
        citizen = self.enrolled()
        citizen.sign_in(self.platform)
        return citizen

    # Powers of attorney

    def drafting(self, term: str = TERM, case_id: str = "") -> notary.DraftPowerOfAttorneyRequest:
        """A request that drafts a general power of attorney for the agent."""
        return notary.DraftPowerOfAttorneyRequest(
            request_id=str(uuid.uuid4()),
            power_of_attorney_id=case_id,
            kind=notary.POWER_OF_ATTORNEY_KIND_GENERAL,
            agent_national_id=self.agent.person.national_id,
            agent_first_name=self.agent.person.first_name,
            special_terms=[term],
        )

    def submitting(self, principal: Citizen, case: Any) -> notary.SubmitPowerOfAttorneyRequest:
        """A request that submits a draft, with a confirmation of its own."""
        return notary.SubmitPowerOfAttorneyRequest(
            request_id=str(uuid.uuid4()),
            power_of_attorney_id=case.power_of_attorney_id,
            confirmation=principal.confirm(self.platform, PURPOSE, case.digest),
        )

    def paying(self, case: Any, card: str = ACQUIRER_TEST_CARD) -> payments.CreatePaymentRequest:
        """A request that pays a case's fee."""
        return payments.CreatePaymentRequest(
            request_id=str(uuid.uuid4()),
            subject_id=case.power_of_attorney_id,
            means=payments.PAYMENT_MEANS_CARD,
            card_token=card,
        )

    def drafted(self, principal: Citizen) -> Any:
        return self.platform.call("notary", "DraftPowerOfAttorney", self.drafting(), principal.session)

    def due(self, principal: Citizen) -> tuple[Any, Any]:
        """A submitted case and its payment, which is due."""
        draft = self.drafted(principal)
        request = self.submitting(principal, draft)
        case = self.platform.call("notary", "SubmitPowerOfAttorney", request, principal.session)
        return case, until("the due", lambda: self.payment(principal, case))

    def payment(self, principal: Citizen, case: Any) -> Any:
        """The payment of a case, None while there is none."""
        request = payments.GetPaymentRequest(subject_id=case.power_of_attorney_id)
        try:
            return self.platform.call("payments", "GetPayment", request, principal.session)
        except Refused as refused:
            if refused.reason != "PAYMENT_NOT_FOUND":
                raise
            return None

    def paid(self) -> tuple[Citizen, Any]:
        """A principal and a case that waits for a reviewer."""
        principal = self.signed_in()
        case, _ = self.due(principal)
        self.platform.call("payments", "CreatePayment", self.paying(case), principal.session)
        waiting = notary.POWER_OF_ATTORNEY_STATE_AWAITING_REVIEW
        until("the payment", lambda: self.shown(case, principal.session).state == waiting)
        return principal, case

    def shown(self, case: Any, session: Session | None) -> Any:
        request = notary.GetPowerOfAttorneyRequest(power_of_attorney_id=case.power_of_attorney_id)
        return self.platform.call("notary", "GetPowerOfAttorney", request, session)

    def claimed(self) -> Any:
        """The case that the queue gives the reviewer; there is at least one."""
        self.paid()
        return self._claim()

    def _claim(self) -> Any:
        request = notary.ClaimNextReviewRequest()
        return self.platform.call("notary", "ClaimNextReview", request, self.session("reviewer"))

    def deciding(
        self, case: Any, decision: Any = notary.REVIEW_DECISION_APPROVE, reason: str = ""
    ) -> notary.DecideReviewRequest:
        return notary.DecideReviewRequest(
            request_id=str(uuid.uuid4()),
            power_of_attorney_id=case.power_of_attorney_id,
            decision=decision,
            reason=reason,
        )

    def issued(self) -> Any:
        """A case whose document lies at an office with a clerk."""
        self.paid()
        return self.approved()

    def approved(self) -> Any:
        """The case that has waited longest, approved, when its document lies at an office with a clerk."""
        request = self.deciding(self._claim())
        case = self.platform.call("notary", "DecideReview", request, self.session("reviewer"))
        issued = notary.POWER_OF_ATTORNEY_STATE_ISSUED
        until("the issue", lambda: self._lies_at(case).state == issued)
        return case

    def _lies_at(self, case: Any) -> Any:
        try:
            return self.shown(case, self.session("clerk", case.office_id))
        except Refused:  # a clerk sees what is issued for the office, and nothing before
            return notary.PowerOfAttorney()

    def give_up(self, case: Any, session: Session) -> None:
        """Refuse a claimed case, so that its reviewer is free."""
        request = self.deciding(case, notary.REVIEW_DECISION_REFUSE, "لم تكتمل المستندات")
        self.platform.call("notary", "DecideReview", request, session)

    def empty_the_queue(self) -> None:
        """Leave no case for whoever claims after us."""
        while True:
            try:
                case = self._claim()
            except Refused as refused:
                if refused.reason != "QUEUE_EMPTY":
                    raise
                return
            self.give_up(case, self.session("reviewer"))
