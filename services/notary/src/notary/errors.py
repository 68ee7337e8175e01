"""How each refusal looks from outside: the closed set, in one table."""

from chassis.errors import ErrorTable

from notary.model import errors

ERRORS: ErrorTable = {
    errors.AgentNotMatched: "FAILED_PRECONDITION",
    errors.TooManyDrafts: "RESOURCE_EXHAUSTED",
    errors.AgentIsPrincipal: "INVALID_ARGUMENT",
    errors.SpecialTermInvalid: "INVALID_ARGUMENT",
    errors.GovernorateNotServed: "FAILED_PRECONDITION",
    errors.PowerOfAttorneyNotFound: "NOT_FOUND",
    errors.NotADraft: "FAILED_PRECONDITION",
    errors.KindIsPaid: "FAILED_PRECONDITION",
    errors.ConfirmationInvalid: "FAILED_PRECONDITION",
    errors.ConfirmationMismatch: "FAILED_PRECONDITION",
    errors.NotAwaitingPayment: "FAILED_PRECONDITION",
    errors.NotAwaitingReview: "FAILED_PRECONDITION",
    errors.QueueEmpty: "NOT_FOUND",
    errors.CaseAlreadyClaimed: "FAILED_PRECONDITION",
    errors.NotYourCase: "PERMISSION_DENIED",
    errors.PartyToCase: "PERMISSION_DENIED",
    errors.ReasonRequired: "INVALID_ARGUMENT",
    errors.NotApproved: "FAILED_PRECONDITION",
    errors.CaseIncomplete: "FAILED_PRECONDITION",
    errors.NotIssued: "FAILED_PRECONDITION",
    errors.OtherOffice: "PERMISSION_DENIED",
    errors.DocumentNotFound: "NOT_FOUND",
    errors.NumbersExhausted: "ABORTED",
}
