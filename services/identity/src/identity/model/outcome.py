"""What a decision comes to."""

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from identity.model.errors import IdentityError

S = TypeVar("S")


@dataclass(frozen=True)
class CodeIssued:
    """A code is due by SMS.

    Attributes:
        template: key in notification's catalogue.
        mobile: E.164.
        code: six digits, known here and in the SMS alone.
        expire_time: when it is worth nothing any more.
        account_id: whom it is filed under, empty before there is an account.
    """

    template: str
    mobile: str
    code: str
    expire_time: datetime
    account_id: str = ""


@dataclass(frozen=True)
class AccountEnrolled:
    """An account was enrolled."""

    account_id: str
    person_id: str
    assurance: str
    channel: str
    mobile: str


@dataclass(frozen=True)
class OfficerRegistered:
    """An officer was registered; by nobody, if the first administrator."""

    officer_id: str
    roles: tuple[str, ...]
    office_id: str
    registered_by: str


Fact = CodeIssued | AccountEnrolled | OfficerRegistered


@dataclass(frozen=True)
class Outcome(Generic[S]):
    """A new state, the facts to tell, and a refusal that is kept on record with them."""

    state: S
    facts: tuple[Fact, ...] = ()
    refusal: IdentityError | None = None
