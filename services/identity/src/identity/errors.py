"""How each refusal looks from outside: the closed set, in one table."""

from chassis.errors import ErrorTable

from identity.model import errors

ERRORS: ErrorTable = {
    errors.NationalIdInvalid: "INVALID_ARGUMENT",
    errors.MobileInvalid: "INVALID_ARGUMENT",
    errors.NameInvalid: "INVALID_ARGUMENT",
    errors.ChannelUnknown: "INVALID_ARGUMENT",
    errors.ChannelNotAllowed: "INVALID_ARGUMENT",
    errors.RecordConflict: "FAILED_PRECONDITION",
    errors.PersonNotMatched: "FAILED_PRECONDITION",
    errors.AlreadyEnrolled: "ALREADY_EXISTS",
    errors.MobileTaken: "ALREADY_EXISTS",
    errors.OwnCase: "PERMISSION_DENIED",
    errors.EnrolmentNotFound: "NOT_FOUND",
    errors.SignInNotFound: "NOT_FOUND",
    errors.ConfirmationNotFound: "NOT_FOUND",
    errors.AccountNotFound: "NOT_FOUND",
    errors.NotOwnAccount: "PERMISSION_DENIED",
    errors.PurposeRequired: "INVALID_ARGUMENT",
    errors.CodeWrong: "INVALID_ARGUMENT",
    errors.CodeExpired: "FAILED_PRECONDITION",
    errors.CodeLocked: "FAILED_PRECONDITION",
    errors.CodeTooSoon: "RESOURCE_EXHAUSTED",
    errors.TooManyStarts: "RESOURCE_EXHAUSTED",
    errors.SessionEnded: "UNAUTHENTICATED",
    errors.StaffNumberTaken: "ALREADY_EXISTS",
    errors.AdministratorExists: "FAILED_PRECONDITION",
    errors.FirstMustBeAdministrator: "INVALID_ARGUMENT",
    errors.OfficeRequired: "INVALID_ARGUMENT",
    errors.AssertionInvalid: "UNAUTHENTICATED",
    errors.AssertionUsed: "UNAUTHENTICATED",
    errors.AudienceUnknown: "INVALID_ARGUMENT",
    errors.ActingNotAllowed: "PERMISSION_DENIED",
}
