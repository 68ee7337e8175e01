"""The closed set of notification's refusals, and those that no retry repairs."""

from chassis.errors import error_set
from chassis.money import MoneyInvalid
from chassis.protojson import Unreadable

from notification import model

ERRORS = error_set(model)

NON_RETRYABLE = (
    model.TemplateUnknown,
    model.ValuesWrong,
    model.RecipientInvalid,
    model.ReceiptStateUnknown,
    MoneyInvalid,
    Unreadable,
)
"""An event that meets one of these is parked at once. A contact or a part may still be on its way."""
