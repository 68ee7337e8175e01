"""Why payments refuses: a closed set. No message or metadata ever holds a personal datum."""

from typing import ClassVar


class PaymentsError(Exception):
    """A refusal by a rule of payments.

    Attributes:
        reason: the reason as callers see it, constant for a class.
        field: path of the request's field that is wrong, empty when none is.
        metadata: facts that help the caller, never personal.
    """

    reason: ClassVar[str]

    def __init__(self, message: str = "", *, field: str = "", **metadata: str) -> None:
        super().__init__(message or (type(self).__doc__ or "").splitlines()[0])
        self.field = field
        self.metadata = metadata


class FeeNotPublished(PaymentsError):
    """No fee is published for this service, obtained in this way on this day."""

    reason = "FEE_NOT_PUBLISHED"


class FeeInvalid(PaymentsError):
    """A fee contradicts itself."""

    reason = "FEE_INVALID"


class TariffOverlap(PaymentsError):
    """Another fee is in force for the same service, channel and governorate in a part of that time."""

    reason = "TARIFF_OVERLAP"


class TariffInPast(PaymentsError):
    """A fee begins or ends in the past: it is published before a request is made."""

    reason = "TARIFF_IN_PAST"


class TariffFull(PaymentsError):
    """There are as many fees as one schedule holds."""

    reason = "TARIFF_FULL"


class DateInvalid(PaymentsError):
    """A date is no day of the calendar."""

    reason = "DATE_INVALID"


class PaymentNotFound(PaymentsError):
    """There is no such payment, or it is not the caller's."""

    reason = "PAYMENT_NOT_FOUND"


class AlreadySettled(PaymentsError):
    """The fee has been paid."""

    reason = "ALREADY_SETTLED"


class PaymentInProgress(PaymentsError):
    """A charge for this fee is under way."""

    reason = "PAYMENT_IN_PROGRESS"


class TooManyAttempts(PaymentsError):
    """The fee was tried as often as it may be."""

    reason = "TOO_MANY_ATTEMPTS"


class ChargeUnknown(PaymentsError):
    """The acquirer speaks of a charge that we never asked for."""

    reason = "CHARGE_UNKNOWN"


class AmountMismatch(PaymentsError):
    """The acquirer took another amount than we asked for; a person must look."""

    reason = "AMOUNT_MISMATCH"


class EntryUnbalanced(PaymentsError):
    """The legs of a journal entry do not sum to zero, or are not at least two and each something."""

    reason = "ENTRY_UNBALANCED"
