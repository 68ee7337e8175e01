"""Whenever this event, then that command."""

from functools import partial

from chassis.commands import Event
from chassis.policies import Policy, on
from diwan.notary.v1.events_pb2 import PowerOfAttorneyApproved
from diwan.payments.v1.events_pb2 import PaymentSettled

from notary import commands
from notary.context import Context


def table(ctx: Context) -> list[Policy]:
    """Notary's policies."""
    return [
        on("notary.payments.payment", PaymentSettled, partial(open_review, ctx)),
        on("notary.notary.power_of_attorney", PowerOfAttorneyApproved, partial(issue_document, ctx)),
    ]


async def open_review(ctx: Context, event: Event[PaymentSettled], message: PaymentSettled) -> None:
    """A paid case waits for a reviewer."""
    await commands.settle(ctx, event, case_id=message.subject_id, payment_id=message.payment_id)


async def issue_document(
    ctx: Context, event: Event[PowerOfAttorneyApproved], message: PowerOfAttorneyApproved
) -> None:
    """An approved case is printed, signed and issued."""
    await commands.issue(ctx, event, case_id=message.power_of_attorney_id)
