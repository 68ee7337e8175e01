"""How each refusal looks from outside: the closed set, in one table.

All but the first are met by policies alone, and seen by operators as the reason why an event waits or is parked.
"""

from chassis.errors import ErrorTable
from chassis.money import MoneyInvalid
from chassis.protojson import Unreadable

from notification import model

ERRORS: ErrorTable = {
    model.MessageNotFound: "NOT_FOUND",
    model.TemplateUnknown: "INVALID_ARGUMENT",
    model.ValuesWrong: "INVALID_ARGUMENT",
    model.RecipientInvalid: "INVALID_ARGUMENT",
    model.ContactUnknown: "FAILED_PRECONDITION",
    model.PartUnknown: "FAILED_PRECONDITION",
}

NON_RETRYABLE = (model.TemplateUnknown, model.ValuesWrong, model.RecipientInvalid, MoneyInvalid, Unreadable)
"""What no later try mends: the event is parked at once. A contact or a part may still be on its way."""
