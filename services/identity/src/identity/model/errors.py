"""Every way in which identity says no: a closed set, one reason a class. No text holds a personal datum."""

from typing import ClassVar


class IdentityError(Exception):
    """Base of the refusals. `reason` is for programs, the message for people, `metadata` for both."""

    reason: ClassVar[str]
    sentence: ClassVar[str]

    def __init__(self, **metadata: str) -> None:
        super().__init__(self.sentence)
        self.metadata = metadata


class NationalIdInvalid(IdentityError):
    reason = "NATIONAL_ID_INVALID"
    sentence = "the national ID is not well-formed"


class MobileInvalid(IdentityError):
    reason = "MOBILE_INVALID"
    sentence = "the mobile number is not an Egyptian one in E.164 form"


class ChannelUnknown(IdentityError):
    reason = "CHANNEL_UNKNOWN"
    sentence = "there is no such channel"


class ChannelNotAllowed(IdentityError):
    reason = "CHANNEL_NOT_ALLOWED"
    sentence = "citizens serve themselves on this channel alone, or officers alone"


class NameInvalid(IdentityError):
    reason = "NAME_INVALID"
    sentence = "the name holds no letter"


class RecordConflict(IdentityError):
    """The registry says that one national ID belongs to two persons."""

    reason = "RECORD_CONFLICT"
    sentence = "the registry's record contradicts one that is kept"


class PersonNotMatched(IdentityError):
    reason = "PERSON_NOT_MATCHED"
    sentence = "the facts do not match the civil registry"


class AlreadyEnrolled(IdentityError):
    reason = "ALREADY_ENROLLED"
    sentence = "this person has an account"


class MobileTaken(IdentityError):
    reason = "MOBILE_TAKEN"
    sentence = "this mobile number belongs to another"


class OwnCase(IdentityError):
    reason = "OWN_CASE"
    sentence = "an officer does not decide a case of their own"


class EnrolmentNotFound(IdentityError):
    reason = "ENROLMENT_NOT_FOUND"
    sentence = "there is no such enrolment"


class SignInNotFound(IdentityError):
    reason = "SIGN_IN_NOT_FOUND"
    sentence = "there is no such sign-in"


class ConfirmationNotFound(IdentityError):
    reason = "CONFIRMATION_NOT_FOUND"
    sentence = "the caller has no such confirmation"


class AccountNotFound(IdentityError):
    reason = "ACCOUNT_NOT_FOUND"
    sentence = "there is no such account"


class NotOwnAccount(IdentityError):
    reason = "NOT_OWN_ACCOUNT"
    sentence = "a citizen sees their own account alone, by its id"


class PurposeRequired(IdentityError):
    reason = "PURPOSE_REQUIRED"
    sentence = "a service states why it needs the data"


class CodeWrong(IdentityError):
    reason = "CODE_WRONG"
    sentence = "the code is wrong"


class CodeExpired(IdentityError):
    reason = "CODE_EXPIRED"
    sentence = "the code has expired or was used"


class CodeLocked(IdentityError):
    reason = "CODE_LOCKED"
    sentence = "too many wrong codes: start again"


class CodeTooSoon(IdentityError):
    reason = "CODE_TOO_SOON"
    sentence = "a code was asked for a moment ago"


class TooManyStarts(IdentityError):
    reason = "TOO_MANY_STARTS"
    sentence = "too many codes were asked for: wait"


class SessionEnded(IdentityError):
    reason = "SESSION_ENDED"
    sentence = "the session has ended: sign in again"


class StaffNumberTaken(IdentityError):
    reason = "STAFF_NUMBER_TAKEN"
    sentence = "this staff number belongs to another officer"


class AdministratorExists(IdentityError):
    reason = "ADMINISTRATOR_EXISTS"
    sentence = "there is an administrator: officers are registered by them"


class FirstMustBeAdministrator(IdentityError):
    reason = "FIRST_MUST_BE_ADMINISTRATOR"
    sentence = "the operator registers the first administrator and nobody else"


class OfficeRequired(IdentityError):
    reason = "OFFICE_REQUIRED"
    sentence = "a clerk serves at an office"


class AssertionInvalid(IdentityError):
    reason = "ASSERTION_INVALID"
    sentence = "the client assertion is not valid"


class AssertionUsed(IdentityError):
    reason = "ASSERTION_USED"
    sentence = "the client assertion was used before"


class AudienceUnknown(IdentityError):
    reason = "AUDIENCE_UNKNOWN"
    sentence = "there is no such service"


class ActingNotAllowed(IdentityError):
    reason = "ACTING_NOT_ALLOWED"
    sentence = "this client does not act for citizens"
