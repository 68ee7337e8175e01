"""The closed set of payments' refusals, and those that no retry repairs."""

from chassis.errors import error_set
from chassis.money import MoneyInvalid

from payments.model import errors

ERRORS = error_set(errors)

NON_RETRYABLE = (errors.ChargeUnknown, errors.AmountMismatch, errors.EntryUnbalanced, MoneyInvalid)
"""An event that meets one of these is parked at once, for a person. A fee may still be published."""
