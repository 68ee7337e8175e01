"""Notary's policies: a table from events to commands."""

from functools import partial

from chassis.commands import EventCause
from chassis.messaging.policies import Policy, non_retryable, on
from diwan.notary.v1.events_pb2 import PowerOfAttorneyApproved
from diwan.payments.v1.events_pb2 import PaymentSettled

from notary import commands
from notary.context import Context
from notary.errors import NON_RETRYABLE
from notary.printing import Printer

PAYMENTS = "notary.payments.payment"
OWN = "notary.notary.power_of_attorney"


def table(ctx: Context, printer: Printer) -> list[Policy]:
    """Notary's policies. An event that a rule or the renderer refuses is parked for an operator."""
    return non_retryable(
        NON_RETRYABLE,
        [
            on(PAYMENTS, PaymentSettled, partial(open_review, ctx), name="open_review.PaymentSettled"),
            on(
                OWN,
                PowerOfAttorneyApproved,
                partial(issue_document, ctx, printer),
                name="issue_document.PowerOfAttorneyApproved",
                concurrency=printer.concurrency,
            ),
        ],
    )


async def open_review(ctx: Context, event: EventCause[PaymentSettled], message: PaymentSettled) -> None:
    """Queue a paid case for review."""
    await commands.settle(ctx, event, case_id=message.subject_id, payment_id=message.payment_id)


async def issue_document(
    ctx: Context,
    printer: Printer,
    event: EventCause[PowerOfAttorneyApproved],
    message: PowerOfAttorneyApproved,
) -> None:
    """Print, sign and issue an approved case."""
    await commands.issue(ctx, printer, event, case_id=message.power_of_attorney_id)
