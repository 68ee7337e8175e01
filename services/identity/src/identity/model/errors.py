"""The refusals of identity: a closed set, one reason a class. No text or metadata holds a personal datum."""

from chassis.domain import DomainError


class IdentityError(DomainError):
    """Base of the refusals of identity."""


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
    """Citizens serve themselves on this channel alone, or officers alone."""

    reason = "CHANNEL_NOT_ALLOWED"
    code = "INVALID_ARGUMENT"


class NameInvalid(IdentityError):
    """The name holds no letter."""

    reason = "NAME_INVALID"
    code = "INVALID_ARGUMENT"


class RecordConflict(IdentityError):
    """The registry's record contradicts one that is kept."""

    reason = "RECORD_CONFLICT"
    code = "FAILED_PRECONDITION"


class PersonNotMatched(IdentityError):
    """The facts do not match the civil registry."""

    reason = "PERSON_NOT_MATCHED"
    code = "FAILED_PRECONDITION"


class AlreadyEnrolled(IdentityError):
    """This person has an account."""

    reason = "ALREADY_ENROLLED"
    code = "ALREADY_EXISTS"


class MobileTaken(IdentityError):
    """This mobile number belongs to another."""

    reason = "MOBILE_TAKEN"
    code = "ALREADY_EXISTS"


class OwnCase(IdentityError):
    """An officer does not decide a case of their own."""

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
    """A citizen sees their own account alone, by its id."""

    reason = "NOT_OWN_ACCOUNT"
    code = "PERMISSION_DENIED"


class PurposeRequired(IdentityError):
    """A service states why it needs the data."""

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
    """Too many wrong codes: start again."""

    reason = "CODE_LOCKED"
    code = "FAILED_PRECONDITION"


class CodeTooSoon(IdentityError):
    """A code was asked for a moment ago."""

    reason = "CODE_TOO_SOON"
    code = "RESOURCE_EXHAUSTED"


class TooManyStarts(IdentityError):
    """Too many codes were asked for: wait."""

    reason = "TOO_MANY_STARTS"
    code = "RESOURCE_EXHAUSTED"


class SessionEnded(IdentityError):
    """The session has ended: sign in again."""

    reason = "SESSION_ENDED"
    code = "UNAUTHENTICATED"


class StaffNumberTaken(IdentityError):
    """This staff number belongs to another officer."""

    reason = "STAFF_NUMBER_TAKEN"
    code = "ALREADY_EXISTS"


class AdministratorExists(IdentityError):
    """There is an administrator: officers are registered by them."""

    reason = "ADMINISTRATOR_EXISTS"
    code = "FAILED_PRECONDITION"


class FirstMustBeAdministrator(IdentityError):
    """The operator registers the first administrator and nobody else."""

    reason = "FIRST_MUST_BE_ADMINISTRATOR"
    code = "INVALID_ARGUMENT"


class OfficeRequired(IdentityError):
    """A clerk serves at an office."""

    reason = "OFFICE_REQUIRED"
    code = "INVALID_ARGUMENT"


class AssertionInvalid(IdentityError):
    """The client assertion is not valid."""

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
    """This client does not act for citizens."""

    reason = "ACTING_NOT_ALLOWED"
    code = "PERMISSION_DENIED"
