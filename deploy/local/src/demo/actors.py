"""The people of the journey and the actions that each can take from outside the platform."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from diwan.identity.v1 import identity_pb2 as identity
from population import Person, spelling_variants

from demo.calls import Platform, Refused
from demo.phone import Phone
from demo.session import Session

CODE_REQUESTS_MAX = 4
CODE_TIMEOUT_SECONDS = 20.0
RETRY_SECONDS = 1.0


@dataclass
class Citizen:
    """A citizen with a phone, and a session once signed in."""

    person: Person
    phone: Phone
    account_id: str = ""
    session: Session | None = None

    def enrol(self, platform: Platform, channel: str = "portal") -> tuple[str, str]:
        """Enrol online, with the first name in another spelling; return that spelling and the text of the SMS."""
        typed = next(iter(spelling_variants(self.person.first_name)), self.person.first_name)

        def start() -> Any:
            request = identity.StartEnrolmentRequest(
                first_name=typed,
                mother_first_name=self.person.mother_first_name,
                national_id=self.person.national_id,
                mobile=self.person.mobile,
                channel=channel,
            )
            return platform.call("identity", "StartEnrolment", request)

        def complete(started: Any, code: str) -> Any:
            request = identity.CompleteEnrolmentRequest(enrolment_id=started.enrolment_id, code=code)
            return platform.call("identity", "CompleteEnrolment", request)

        account, text = with_code(self.phone, start, complete)
        self.account_id = account.account_id
        return typed, text

    def sign_in(self, platform: Platform, channel: str = "portal") -> None:
        """Sign in with the code that arrives by SMS."""
        subject = {"national_id": self.person.national_id}
        self.session = sign_in(platform, self.phone, channel, subject)

    def confirm(self, platform: Platform, purpose: str, digest: str) -> str:
        """Confirm exactly one content by code; return the signed confirmation."""

        def start() -> Any:
            request = identity.StartConfirmationRequest(purpose=purpose, digest=digest)
            return platform.call("identity", "StartConfirmation", request, self.session)

        def complete(started: Any, code: str) -> Any:
            request = identity.CompleteConfirmationRequest(confirmation_id=started.confirmation_id, code=code)
            return platform.call("identity", "CompleteConfirmation", request, self.session)

        completed, _ = with_code(self.phone, start, complete)
        return str(completed.confirmation)


@dataclass
class Officer:
    """An officer with a staff number, a phone, and a session once signed in."""

    staff_number: str
    person: Person
    phone: Phone
    roles: tuple[str, ...]
    office_id: str = ""
    session: Session | None = None

    def register(self, platform: Platform, administrator: "Officer") -> None:
        """Register this officer in the session of `administrator`."""
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
            administrator.session,
        )

    def sign_in(self, platform: Platform, channel: str = "post_office") -> None:
        """Sign in with the code that arrives by SMS."""
        self.session = sign_in(platform, self.phone, channel, {"staff_number": self.staff_number})

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
            self.session,
        )
        citizen.account_id = account.account_id


def sign_in(platform: Platform, phone: Phone, channel: str, subject: dict[str, str]) -> Session:
    """Sign in by code."""

    def start() -> Any:
        request = identity.StartSignInRequest(channel=channel, **subject)
        return platform.call("identity", "StartSignIn", request)

    def complete(started: Any, code: str) -> Any:
        request = identity.CompleteSignInRequest(sign_in_id=started.sign_in_id, code=code)
        return platform.call("identity", "CompleteSignIn", request)

    return Session.of(with_code(phone, start, complete)[0])


def with_code(phone: Phone, start: Callable[[], Any], complete: Callable[[Any, str], Any]) -> tuple[Any, str]:
    """Start an action, complete it with the code from the SMS, and return its answer and the text of the SMS.

    A code is sent at most once and may be lost: then another one is requested, after the minimum interval. The first
    code may still arrive after that, so a wrong code is ignored and the next one is tried.

    Raises:
        TimeoutError: no valid code arrived for any of the requests.
    """
    for attempt in range(1, CODE_REQUESTS_MAX + 1):
        started = _start(start)
        try:
            while True:
                code, text = phone.next_code(CODE_TIMEOUT_SECONDS)
                try:
                    return complete(started, code), text
                except Refused as refused:
                    if refused.reason != "CODE_WRONG":
                        raise
        except TimeoutError:
            if attempt == CODE_REQUESTS_MAX:
                raise
    raise AssertionError


def _start(start: Callable[[], Any]) -> Any:
    """Request a code; retry while the last one was sent too recently."""
    while True:
        try:
            return start()
        except Refused as refused:
            if refused.reason != "CODE_TOO_SOON":
                raise
        time.sleep(RETRY_SECONDS)
