"""How each refusal looks from outside: the closed set, in one table."""

from chassis.errors import ErrorTable
from chassis.money import MoneyInvalid

from payments.model import errors

ERRORS: ErrorTable = {
    errors.FeeNotPublished: "NOT_FOUND",
    errors.FeeInvalid: "INVALID_ARGUMENT",
    errors.TariffOverlap: "FAILED_PRECONDITION",
    errors.TariffInPast: "FAILED_PRECONDITION",
    errors.TariffFull: "RESOURCE_EXHAUSTED",
    errors.DateInvalid: "INVALID_ARGUMENT",
    errors.PaymentNotFound: "NOT_FOUND",
    errors.AlreadySettled: "FAILED_PRECONDITION",
    errors.PaymentInProgress: "FAILED_PRECONDITION",
    errors.TooManyAttempts: "RESOURCE_EXHAUSTED",
    # Met by policies and the store alone; operators see them as the reason why an event is parked.
    errors.ChargeUnknown: "FAILED_PRECONDITION",
    errors.AmountMismatch: "FAILED_PRECONDITION",
    errors.EntryUnbalanced: "FAILED_PRECONDITION",
}

NON_RETRYABLE = (errors.ChargeUnknown, errors.AmountMismatch, errors.EntryUnbalanced, MoneyInvalid)
"""What no later try mends: the event is parked at once, for a person. A fee may still be published."""
