"""Citizens' accounts, and their enrolment: online and at a counter."""

import re
from dataclasses import dataclass, replace
from datetime import datetime

from chassis.domain import Outcome

from identity.model.codes import RETENTION, Challenge, challenge
from identity.model.errors import AlreadyEnrolled, EnrolmentNotFound, MobileInvalid, OwnCase, PersonNotMatched
from identity.model.facts import (
    AccountEnrolled,
    Assurance,
    CodeIssued,
    Contact,
    Fact,
    MessageContent,
    RevocationReason,
)
from identity.model.persons import Person
from identity.model.revocations import of_holder

_MOBILE = re.compile(r"\+201[0125][0-9]{8}")
_SHOWN_DIGITS = 3


def mobile_number(text: str) -> str:
    """The text, if it is an Egyptian mobile number in E.164, else MobileInvalid."""
    if not _MOBILE.fullmatch(text):
        raise MobileInvalid
    return text


def masked(mobile: str) -> str:
    """The mobile number with all but the last three digits replaced by asterisks."""
    return "*" * (len(mobile) - _SHOWN_DIGITS) + mobile[-_SHOWN_DIGITS:]


@dataclass(frozen=True)
class Account:
    """A citizen's account. Names and national ID are those of the person stored under `person_key`.

    Attributes:
        account_id: derived from the keyed hash of the national ID, so that a person has at most one account.
        mobile_key: keyed hash, unique among accounts.
        enrolled_by: id of the clerk who checked the ID card, empty after enrolment online.
        revoke_time: sessions started until then have ended; None if none was ended so.
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
    revoke_time: datetime | None = None

    def sign_out_everywhere(self, now: datetime) -> Outcome["Account", Fact]:
        """End all sessions of the account."""
        revoked = of_holder(self.account_id, RevocationReason.SIGNED_OUT_EVERYWHERE, now)
        return Outcome(replace(self, revoke_time=now), (revoked,))


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
    """An online enrolment, from the four facts to the code. A decoy looks the same and cannot be completed.

    Attributes:
        account_id: id of the account to create.
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
        """Check a code; a wrong one is counted."""
        tried, refusal = self.challenge.attempt(code_hash, now)
        return Outcome(replace(self, challenge=tried), refusal=refusal)

    def account(self, existing: Account | None, now: datetime) -> Outcome[Account, Fact]:
        """The account of a completed enrolment.

        Raises:
            EnrolmentNotFound: it is a decoy, or was not completed.
            AlreadyEnrolled: the person has an account.
        """
        if not (self.challenge.spent and self.challenge.real):
            raise EnrolmentNotFound
        if existing is not None:
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
    """An applicant's data as entered, with the keyed hashes for the look-up."""

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
    """Start an enrolment. If the four facts match, the code is sent; else it is a decoy, with the same response."""
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
        forget_time=now + RETENTION,
    )
    sent = CodeIssued(
        "code.enrolment",
        MessageContent(enrolment.mobile, {"code": code}),
        enrolment.challenge.expire_time,
    )
    return Outcome(enrolment, (sent,) if matched else ())


def enrol_at_counter(
    existing: Account | None,
    applicant: Applicant,
    person: Person | None,
    *,
    clerk_id: str,
    clerk_person_id: str,
    clerk_person_key: str,
    now: datetime,
) -> Outcome[Account, Fact]:
    """Enrol a person whose ID card a clerk has checked.

    Raises:
        PersonNotMatched: the facts do not match.
        OwnCase: the clerk is the applicant.
        AlreadyEnrolled: the person has an account.
    """
    if person is None or not person.matches(applicant.first_name, applicant.mother_first_name):
        raise PersonNotMatched
    # By the national ID too: the registry may have registered the clerk after the clerk's token was issued.
    if person.person_id == clerk_person_id or person.person_key == clerk_person_key:
        raise OwnCase
    if existing is not None:
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
