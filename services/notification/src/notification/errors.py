"""The closed set of notification's errors, and those that a retry does not repair."""

from chassis.errors import error_set
from chassis.money import MoneyInvalid
from chassis.protojson import Unreadable

from notification import model, references

ERRORS = error_set(model, references)

NON_RETRYABLE = (
    model.TemplateUnknown,
    model.ValuesWrong,
    model.RecipientInvalid,
    model.ReceiptStateUnknown,
    model.ReceiptUnreadable,
    MoneyInvalid,
    Unreadable,
)
"""An event that causes one of these is parked without a retry.

ContactUnknown and PartUnknown are retried: the event with the contact or the part may follow. ReferencesExhausted is
retried too: references become free.
"""
