"""The people of the journey and what each of them can do from outside the platform."""

from dataclasses import dataclass
from typing import Any

from diwan.identity.v1 import identity_pb2 as identity
from population import Person, spelling_variants

from demo.calls import Platform
from demo.phone import Phone


@dataclass
class Citizen:
    """A citizen with a phone, and a token once signed in."""

    person: Person
    phone: Phone
    account_id: str = ""
    token: str = ""

    def enrol(self, platform: Platform, channel: str = "portal") -> tuple[str, str]:
        """Enrol online, with names as people type them; return what was typed and the SMS."""
        typed = next(iter(spelling_variants(self.person.first_name)), self.person.first_name)
        started = platform.call(
            "identity",
            "StartEnrolment",
            identity.StartEnrolmentRequest(
                first_name=typed,
                mother_first_name=self.person.mother_first_name,
                national_id=self.person.national_id,
                mobile=self.person.mobile,
                channel=channel,
            ),
        )
        code, text = self.phone.next_code()
        account = platform.call(
            "identity",
            "CompleteEnrolment",
            identity.CompleteEnrolmentRequest(enrolment_id=started.enrolment_id, code=code),
        )
        self.account_id = account.account_id
        return typed, text

    def sign_in(self, platform: Platform, channel: str = "portal") -> None:
        """Sign in with the code that arrives by SMS."""
        subject = {"national_id": self.person.national_id}
        self.token = sign_in(platform, self.phone, channel, subject).access_token

    def confirm(self, platform: Platform, purpose: str, digest: str) -> str:
        """Confirm exactly one content by code; return the signed statement."""
        started = platform.call(
            "identity",
            "StartConfirmation",
            identity.StartConfirmationRequest(purpose=purpose, digest=digest),
            self.token,
        )
        code, _ = self.phone.next_code()
        done = platform.call(
            "identity",
            "CompleteConfirmation",
            identity.CompleteConfirmationRequest(confirmation_id=started.confirmation_id, code=code),
            self.token,
        )
        return str(done.confirmation)


@dataclass
class Officer:
    """An officer with a staff number, a phone, and a token once signed in."""

    staff_number: str
    person: Person
    phone: Phone
    roles: tuple[str, ...]
    office_id: str = ""
    token: str = ""

    def registered_by(self, platform: Platform, administrator: "Officer") -> None:
        platform.call(
            "identity",
            "RegisterOfficer",
            identity.RegisterOfficerRequest(
                staff_number=self.staff_number,
                national_id=self.person.national_id,
                mobile=self.person.mobile,
                roles=self.roles,
                office_id=self.office_id,
            ),
            administrator.token,
        )

    def sign_in(self, platform: Platform, channel: str = "post_office") -> None:
        """Sign in with the code that arrives by SMS."""
        self.token = sign_in(platform, self.phone, channel, {"staff_number": self.staff_number}).access_token

    def enrol_at_counter(self, platform: Platform, citizen: Citizen) -> None:
        """Enrol a citizen whose card was seen."""
        account = platform.call(
            "identity",
            "EnrolAtCounter",
            identity.EnrolAtCounterRequest(
                national_id=citizen.person.national_id,
                first_name=citizen.person.first_name,
                mother_first_name=citizen.person.mother_first_name,
                mobile=citizen.person.mobile,
                card_seen=True,
            ),
            self.token,
        )
        citizen.account_id = account.account_id


def sign_in(platform: Platform, phone: Phone, channel: str, subject: dict[str, str]) -> Any:
    """Sign in by code; return the tokens."""
    started = platform.call(
        "identity", "StartSignIn", identity.StartSignInRequest(channel=channel, **subject)
    )
    code, _ = phone.next_code()
    return platform.call(
        "identity",
        "CompleteSignIn",
        identity.CompleteSignInRequest(sign_in_id=started.sign_in_id, code=code),
    )
