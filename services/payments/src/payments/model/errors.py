"""The refusals of payments: a closed set, one reason a class. No text or metadata holds a personal datum."""

from chassis.domain import DomainError


class PaymentsError(DomainError):
    """Base of the refusals of payments."""


class FeeNotPublished(PaymentsError):
    """No fee is published for this service, obtained in this way on this day."""

    reason = "FEE_NOT_PUBLISHED"
    code = "NOT_FOUND"


class FeeInvalid(PaymentsError):
    """A fee contradicts itself."""

    reason = "FEE_INVALID"
    code = "INVALID_ARGUMENT"


class TariffOverlap(PaymentsError):
    """Another fee is in force for the same service, channel and governorate in a part of that time."""

    reason = "TARIFF_OVERLAP"
    code = "FAILED_PRECONDITION"


class TariffInPast(PaymentsError):
    """A fee begins or ends in the past: it is published before a request is made."""

    reason = "TARIFF_IN_PAST"
    code = "FAILED_PRECONDITION"


class TariffFull(PaymentsError):
    """There are as many fees as one schedule holds."""

    reason = "TARIFF_FULL"
    code = "RESOURCE_EXHAUSTED"


class DateInvalid(PaymentsError):
    """A date is no day of the calendar."""

    reason = "DATE_INVALID"
    code = "INVALID_ARGUMENT"


class PaymentNotFound(PaymentsError):
    """There is no such payment, or it is not the caller's."""

    reason = "PAYMENT_NOT_FOUND"
    code = "NOT_FOUND"


class AlreadySettled(PaymentsError):
    """The fee has been paid."""

    reason = "ALREADY_SETTLED"
    code = "FAILED_PRECONDITION"


class PaymentInProgress(PaymentsError):
    """A charge for this fee is under way."""

    reason = "PAYMENT_IN_PROGRESS"
    code = "FAILED_PRECONDITION"


class TooManyAttempts(PaymentsError):
    """The fee was tried as often as it may be."""

    reason = "TOO_MANY_ATTEMPTS"
    code = "RESOURCE_EXHAUSTED"


class ChargeUnknown(PaymentsError):
    """The acquirer reports a charge that was never requested."""

    reason = "CHARGE_UNKNOWN"
    code = "FAILED_PRECONDITION"


class AmountMismatch(PaymentsError):
    """The acquirer charged another amount than was requested; an operator must decide."""

    reason = "AMOUNT_MISMATCH"
    code = "FAILED_PRECONDITION"


class EntryUnbalanced(PaymentsError):
    """The legs of a journal entry do not sum to zero, are fewer than two, or one of them is zero."""

    reason = "ENTRY_UNBALANCED"
    code = "FAILED_PRECONDITION"
