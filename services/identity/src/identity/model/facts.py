"""Facts that the model emits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Assurance(StrEnum):
    """Assurance level of an account holder's identity."""

    SUBSTANTIAL = "substantial"
    HIGH = "high"


@dataclass(frozen=True)
class MessageContent:
    """The sealed part of a message: a mobile in E.164, and the values of the template's placeholders."""

    mobile: str = field(repr=False)
    values: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True)
class CodeIssued:
    """A code is to be sent by SMS.

    Attributes:
        template: key in notification's catalogue.
        content: the mobile, and the code of six digits, which only the SMS contains.
        expire_time: expiry of the code.
        account_id: account of the message's recipient, empty before it exists.
    """

    template: str
    content: MessageContent
    expire_time: datetime
    account_id: str = ""


@dataclass(frozen=True)
class Contact:
    """The sealed part of an enrolment: how to reach the person, by E.164 mobile and BCP 47 tag."""

    mobile: str = field(repr=False)
    language: str = "ar"


@dataclass(frozen=True)
class AccountEnrolled:
    """An account was enrolled."""

    account_id: str
    person_id: str
    assurance_level: Assurance
    channel: str
    contact: Contact


@dataclass(frozen=True)
class OfficerRegistered:
    """An officer was registered; `registered_by` is empty for the first administrator."""

    officer_id: str
    roles: tuple[str, ...]
    office_id: str
    registered_by: str


@dataclass(frozen=True)
class OfficerRolesEnded:
    """Roles of an officer were ended by an administrator; without `remaining_roles` the officer has left."""

    officer_id: str
    roles: tuple[str, ...]
    remaining_roles: tuple[str, ...]
    ended_by: str


class RevocationReason(StrEnum):
    """Reason of a revocation."""

    SIGNED_OUT = "signed_out"
    SIGNED_OUT_EVERYWHERE = "signed_out_everywhere"
    REFRESH_TOKEN_REUSED = "refresh_token_reused"  # noqa: S105 -- no secret
    ROLES_ENDED = "roles_ended"


@dataclass(frozen=True)
class AccessRevoked:
    """Access tokens were revoked: of one session, or of one subject up to `revoke_time`.

    Attributes:
        session_id: empty if all sessions of the subject are revoked.
        subject_id: id of the account or officer; empty if one session is revoked.
        revoke_time: tokens issued until then are revoked.
        expire_time: the last of them has expired.
    """

    session_id: str
    subject_id: str
    revoke_time: datetime
    expire_time: datetime
    reason: RevocationReason


Fact = CodeIssued | AccountEnrolled | OfficerRegistered | OfficerRolesEnded | AccessRevoked
