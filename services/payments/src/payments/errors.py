"""The closed set of payments' errors, and those that a retry does not repair."""

from chassis.errors import error_set
from chassis.money import MoneyInvalid

from payments.model import errors

ERRORS = error_set(errors)

NON_RETRYABLE = (
    errors.ChargeUnknown,
    errors.AmountMismatch,
    errors.ChargeContradicted,
    errors.ReportUnreadable,
    errors.EntryUnbalanced,
    MoneyInvalid,
)
"""An event that causes one of these is parked without a retry. FeeNotPublished is retried: the fee may follow."""
