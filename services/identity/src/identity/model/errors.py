"""The errors of identity: a closed set, one reason for each class. No text or metadata contains personal data."""

from chassis.domain import DomainError


class IdentityError(DomainError):
    """Base of the errors of identity."""


class NationalIdInvalid(IdentityError):
    """The national ID is not well-formed."""

    reason = "NATIONAL_ID_INVALID"
    code = "INVALID_ARGUMENT"


class MobileInvalid(IdentityError):
    """The mobile number is not an Egyptian one in E.164 form."""

    reason = "MOBILE_INVALID"
    code = "INVALID_ARGUMENT"


class ChannelUnknown(IdentityError):
    """There is no such channel."""

    reason = "CHANNEL_UNKNOWN"
    code = "INVALID_ARGUMENT"


class ChannelNotAllowed(IdentityError):
    """The channel is not allowed for this kind of user."""

    reason = "CHANNEL_NOT_ALLOWED"
    code = "INVALID_ARGUMENT"


class NameInvalid(IdentityError):
    """The name contains no letter, or is too long or otherwise unfit to be printed."""

    reason = "NAME_INVALID"
    code = "INVALID_ARGUMENT"


class RecordConflict(IdentityError):
    """The registry's record contradicts a stored record."""

    reason = "RECORD_CONFLICT"
    code = "FAILED_PRECONDITION"


class PersonNotMatched(IdentityError):
    """The facts do not match the civil registry."""

    reason = "PERSON_NOT_MATCHED"
    code = "FAILED_PRECONDITION"


class AlreadyEnrolled(IdentityError):
    """The person already has an account."""

    reason = "ALREADY_ENROLLED"
    code = "ALREADY_EXISTS"


class MobileTaken(IdentityError):
    """The mobile number belongs to another account or officer."""

    reason = "MOBILE_TAKEN"
    code = "ALREADY_EXISTS"


class OwnCase(IdentityError):
    """An officer must not decide their own case."""

    reason = "OWN_CASE"
    code = "PERMISSION_DENIED"


class EnrolmentNotFound(IdentityError):
    """There is no such enrolment."""

    reason = "ENROLMENT_NOT_FOUND"
    code = "NOT_FOUND"


class SignInNotFound(IdentityError):
    """There is no such sign-in."""

    reason = "SIGN_IN_NOT_FOUND"
    code = "NOT_FOUND"


class ConfirmationNotFound(IdentityError):
    """The caller has no such confirmation."""

    reason = "CONFIRMATION_NOT_FOUND"
    code = "NOT_FOUND"


class AccountNotFound(IdentityError):
    """There is no such account."""

    reason = "ACCOUNT_NOT_FOUND"
    code = "NOT_FOUND"


class NotOwnAccount(IdentityError):
    """A citizen may read only their own account, by its id."""

    reason = "NOT_OWN_ACCOUNT"
    code = "PERMISSION_DENIED"


class PurposeRequired(IdentityError):
    """A service must state the purpose of the read."""

    reason = "PURPOSE_REQUIRED"
    code = "INVALID_ARGUMENT"


class CodeWrong(IdentityError):
    """The code is wrong."""

    reason = "CODE_WRONG"
    code = "INVALID_ARGUMENT"


class CodeExpired(IdentityError):
    """The code has expired or was used."""

    reason = "CODE_EXPIRED"
    code = "FAILED_PRECONDITION"


class CodeLocked(IdentityError):
    """Too many wrong codes were entered; start again."""

    reason = "CODE_LOCKED"
    code = "FAILED_PRECONDITION"


class CodeTooSoon(IdentityError):
    """A code was requested too recently; wait before requesting another."""

    reason = "CODE_TOO_SOON"
    code = "RESOURCE_EXHAUSTED"


class TooManyStarts(IdentityError):
    """Too many codes were requested; wait before requesting another."""

    reason = "TOO_MANY_STARTS"
    code = "RESOURCE_EXHAUSTED"


class SessionEnded(IdentityError):
    """The session has ended; sign in again."""

    reason = "SESSION_ENDED"
    code = "UNAUTHENTICATED"


class StaffNumberTaken(IdentityError):
    """This staff number belongs to another officer."""

    reason = "STAFF_NUMBER_TAKEN"
    code = "ALREADY_EXISTS"


class AdministratorExists(IdentityError):
    """An administrator exists; only administrators register officers."""

    reason = "ADMINISTRATOR_EXISTS"
    code = "FAILED_PRECONDITION"


class FirstMustBeAdministrator(IdentityError):
    """The first officer must be an administrator."""

    reason = "FIRST_MUST_BE_ADMINISTRATOR"
    code = "INVALID_ARGUMENT"


class OfficeRequired(IdentityError):
    """A clerk must have an office."""

    reason = "OFFICE_REQUIRED"
    code = "INVALID_ARGUMENT"


class OfficerNotFound(IdentityError):
    """There is no such officer."""

    reason = "OFFICER_NOT_FOUND"
    code = "NOT_FOUND"


class RoleNotHeld(IdentityError):
    """The officer does not have this role."""

    reason = "ROLE_NOT_HELD"
    code = "FAILED_PRECONDITION"


class OwnRights(IdentityError):
    """An administrator must not change their own rights, with any staff number of theirs."""

    reason = "OWN_RIGHTS"
    code = "PERMISSION_DENIED"


class AdministratorEnded(IdentityError):
    """Another administrator is ending, or has ended, the caller's own role."""

    reason = "ADMINISTRATOR_ENDED"
    code = "PERMISSION_DENIED"


class AssertionInvalid(IdentityError):
    """The client assertion is not valid; see `problem`."""

    reason = "ASSERTION_INVALID"
    code = "UNAUTHENTICATED"


class AssertionUsed(IdentityError):
    """The client assertion was used before."""

    reason = "ASSERTION_USED"
    code = "UNAUTHENTICATED"


class AudienceUnknown(IdentityError):
    """There is no such service."""

    reason = "AUDIENCE_UNKNOWN"
    code = "INVALID_ARGUMENT"


class ActingNotAllowed(IdentityError):
    """This client may not act for a citizen."""

    reason = "ACTING_NOT_ALLOWED"
    code = "PERMISSION_DENIED"
