"""The errors of payments: a closed set, one reason for each class. No text or metadata contains personal data."""

from chassis.domain import DomainError


class PaymentsError(DomainError):
    """Base of the errors of payments."""


class FeeNotPublished(PaymentsError):
    """No fee is published for this service, channel and governorate on this day."""

    reason = "FEE_NOT_PUBLISHED"
    code = "NOT_FOUND"


class FeeInvalid(PaymentsError):
    """The fields of the fee contradict each other."""

    reason = "FEE_INVALID"
    code = "INVALID_ARGUMENT"


class TariffOverlap(PaymentsError):
    """Another fee for the same service, channel and governorate is in force on some of these days."""

    reason = "TARIFF_OVERLAP"
    code = "FAILED_PRECONDITION"


class TariffInPast(PaymentsError):
    """A fee must not begin or end in the past."""

    reason = "TARIFF_IN_PAST"
    code = "FAILED_PRECONDITION"


class TariffFull(PaymentsError):
    """The schedule has the maximum number of fees."""

    reason = "TARIFF_FULL"
    code = "RESOURCE_EXHAUSTED"


class DateInvalid(PaymentsError):
    """The date does not exist in the calendar."""

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
    """A charge for this fee is in progress."""

    reason = "PAYMENT_IN_PROGRESS"
    code = "FAILED_PRECONDITION"


class TooManyAttempts(PaymentsError):
    """The maximum number of attempts to pay this fee is reached."""

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


class ChargeContradicted(PaymentsError):
    """The acquirer reports the contrary of what it reported before about the charge; an operator must decide."""

    reason = "CHARGE_CONTRADICTED"
    code = "FAILED_PRECONDITION"


class ReportUnreadable(PaymentsError):
    """The acquirer reported in a form that cannot be read; an operator must decide."""

    reason = "REPORT_UNREADABLE"
    code = "FAILED_PRECONDITION"


class EntryUnbalanced(PaymentsError):
    """The legs of a journal entry do not sum to zero, are fewer than two, or one of them is zero."""

    reason = "ENTRY_UNBALANCED"
    code = "FAILED_PRECONDITION"
