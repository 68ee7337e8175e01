"""A citizen's account, and the two ways to one: enrolment online and at a counter."""

import re
from dataclasses import dataclass, replace
from datetime import datetime

from chassis.domain import Outcome

from identity.model.codes import MEMORY, Challenge, challenge
from identity.model.errors import AlreadyEnrolled, EnrolmentNotFound, MobileInvalid, OwnCase, PersonNotMatched
from identity.model.facts import AccountEnrolled, Assurance, CodeIssued, Contact, Fact, MessageContent
from identity.model.persons import Person

_MOBILE = re.compile(r"\+201[0125][0-9]{8}")
_SHOWN_DIGITS = 3


def mobile_number(text: str) -> str:
    """An Egyptian mobile in E.164, or MobileInvalid."""
    if not _MOBILE.fullmatch(text):
        raise MobileInvalid
    return text


def masked(mobile: str) -> str:
    """All but the last three digits hidden."""
    return "*" * (len(mobile) - _SHOWN_DIGITS) + mobile[-_SHOWN_DIGITS:]


@dataclass(frozen=True)
class Account:
    """A citizen's account. Names and national ID are the person's, who is kept under `person_key`.

    Attributes:
        account_id: derived from the keyed hash of the national ID: a person has one account at most.
        mobile_key: keyed hash, unique among accounts.
        enrolled_by: the clerk who has seen the card, empty when enrolled online.
    """

    account_id: str
    person_key: str
    person_id: str
    mobile: str
    mobile_key: str
    assurance_level: Assurance
    channel: str
    enrol_time: datetime
    enrolled_by: str = ""


def _enrolled(account: Account) -> Outcome[Account, Fact]:
    fact = AccountEnrolled(
        account_id=account.account_id,
        person_id=account.person_id,
        assurance_level=account.assurance_level,
        channel=account.channel,
        contact=Contact(account.mobile),
    )
    return Outcome(account, (fact,))


@dataclass(frozen=True)
class Enrolment:
    """An enrolment online, from the four facts to the code. A decoy looks the same and leads nowhere.

    Attributes:
        account_id: the account it would make.
        person_id: the matched person, empty in a decoy.
    """

    enrolment_id: str
    account_id: str
    person_key: str
    person_id: str
    mobile: str
    mobile_key: str
    channel: str
    challenge: Challenge
    forget_time: datetime

    def complete(self, code_hash: str, now: datetime) -> Outcome["Enrolment", Fact]:
        """Try the code; a wrong one is counted."""
        tried, refusal = self.challenge.attempt(code_hash, now)
        return Outcome(replace(self, challenge=tried), refusal=refusal)

    def account(self, kept: Account | None, now: datetime) -> Outcome[Account, Fact]:
        """The account of a completed enrolment; AlreadyEnrolled if the person has one.

        EnrolmentNotFound for a decoy, and for one whose code was not given.
        """
        if not (self.challenge.spent and self.challenge.real):
            raise EnrolmentNotFound
        if kept is not None:
            raise AlreadyEnrolled
        return _enrolled(
            Account(
                account_id=self.account_id,
                person_key=self.person_key,
                person_id=self.person_id,
                mobile=self.mobile,
                mobile_key=self.mobile_key,
                assurance_level=Assurance.SUBSTANTIAL,
                channel=self.channel,
                enrol_time=now,
            )
        )


@dataclass(frozen=True)
class Applicant:
    """Who wants an account, as typed, with the keyed hashes under which they are looked for."""

    first_name: str
    mother_first_name: str
    person_key: str
    account_id: str
    mobile: str
    mobile_key: str
    channel: str


def start_enrolment(
    enrolment_id: str,
    applicant: Applicant,
    person: Person | None,
    *,
    code: str,
    code_hash: str,
    now: datetime,
) -> Outcome[Enrolment, Fact]:
    """Match the four facts. The code is sent where they match; else it is a decoy, the same from outside."""
    matched = person is not None and person.matches(applicant.first_name, applicant.mother_first_name)
    enrolment = Enrolment(
        enrolment_id=enrolment_id,
        account_id=applicant.account_id,
        person_key=applicant.person_key,
        person_id=person.person_id if person is not None and matched else "",
        mobile=mobile_number(applicant.mobile),
        mobile_key=applicant.mobile_key,
        channel=applicant.channel,
        challenge=challenge(code_hash, real=matched, now=now),
        forget_time=now + MEMORY,
    )
    sent = CodeIssued(
        "code.enrolment",
        MessageContent(enrolment.mobile, {"code": code}),
        enrolment.challenge.expire_time,
    )
    return Outcome(enrolment, (sent,) if matched else ())


def enrol_at_counter(
    kept: Account | None,
    applicant: Applicant,
    person: Person | None,
    *,
    clerk_id: str,
    clerk_person_id: str,
    now: datetime,
) -> Outcome[Account, Fact]:
    """Enrol somebody whose card a clerk has seen.

    PersonNotMatched, AlreadyEnrolled; OwnCase if the clerk is the one enrolled.
    """
    if person is None or not person.matches(applicant.first_name, applicant.mother_first_name):
        raise PersonNotMatched
    if person.person_id == clerk_person_id:
        raise OwnCase
    if kept is not None:
        raise AlreadyEnrolled
    return _enrolled(
        Account(
            account_id=applicant.account_id,
            person_key=applicant.person_key,
            person_id=person.person_id,
            mobile=mobile_number(applicant.mobile),
            mobile_key=applicant.mobile_key,
            assurance_level=Assurance.HIGH,
            channel=applicant.channel,
            enrol_time=now,
            enrolled_by=clerk_id,
        )
    )
