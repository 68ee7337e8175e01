"""Payments' policies: a table from events to commands."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

from chassis.commands import EventCause
from chassis.messaging.policies import Policy, non_retryable, on
from chassis.money import piastres
from chassis.times import to_datetime
from diwan.notary.v1 import events_pb2 as notary
from diwan.payments.v1 import acquirer_pb2 as acquirer
from diwan.payments.v1 import events_pb2 as payments
from google.protobuf.message import Message

from payments import commands
from payments.context import Context
from payments.errors import NON_RETRYABLE
from payments.model.errors import ReportUnreadable

CASES = "payments.notary.power_of_attorney"
CHARGES = "payments.acquirer.charge"
OWN = "payments.payments.payment"
"""Queue of payments' own events, from which alone the journal is booked."""

M = TypeVar("M", bound=Message)
Handler = Callable[[Context, EventCause[Any], M], Awaitable[None]]


def table(ctx: Context) -> list[Policy]:
    """Payments' policies."""

    def line(queue: str, message: type[M], handler: Handler[M], name: str) -> Policy:
        return on(queue, message, partial(handler, ctx), name=name)

    lines = [
        line(CASES, notary.PowerOfAttorneySubmitted, _make_due, "make_due"),
        line(CASES, notary.PowerOfAttorneyCollected, _book_earned, "book_earned"),
        line(CHARGES, acquirer.ChargeAccepted, _accept, "accept"),
        line(CHARGES, acquirer.ChargeSettled, _settle, "settle"),
        line(CHARGES, acquirer.ChargeRefused, _refuse, "refuse"),
        line(CHARGES, acquirer.ReportUnreadable, _keep_report, "keep_report"),
        line(OWN, payments.PaymentDue, _book_due, "book_due"),
        line(OWN, payments.PaymentSettled, _book_settled, "book_settled"),
        line(OWN, payments.PaymentOverpaid, _book_overpaid, "book_overpaid"),
    ]
    return non_retryable(NON_RETRYABLE, lines)


async def _make_due(ctx: Context, event: EventCause[Any], message: notary.PowerOfAttorneySubmitted) -> None:
    await commands.make_due(
        ctx,
        event,
        subject_id=message.power_of_attorney_id,
        account_id=message.principal_account_id,
        number=message.number,
        service=message.service,
        channel=message.channel,
        governorate=message.governorate,
        time=to_datetime(message.submit_time),
    )


async def _book_earned(
    ctx: Context, event: EventCause[Any], message: notary.PowerOfAttorneyCollected
) -> None:
    await commands.book_earned(ctx, event, message.power_of_attorney_id)


async def _accept(ctx: Context, event: EventCause[Any], message: acquirer.ChargeAccepted) -> None:
    await commands.accept(
        ctx, event, message.payment_id, charge_id=message.charge_id, reference=message.acquirer_reference
    )


async def _settle(ctx: Context, event: EventCause[Any], message: acquirer.ChargeSettled) -> None:
    await commands.settle(
        ctx,
        event,
        message.payment_id,
        charge_id=message.charge_id,
        amount=piastres(message.amount, "amount"),
        reference=message.acquirer_reference,
    )


async def _refuse(ctx: Context, event: EventCause[Any], message: acquirer.ChargeRefused) -> None:
    await commands.refuse(ctx, event, message.payment_id, charge_id=message.charge_id, reason=message.reason)


async def _keep_report(_ctx: Context, _event: EventCause[Any], _message: acquirer.ReportUnreadable) -> None:
    # Parked with its content until an operator has decided; an inquiry may state the charge's result meanwhile.
    raise ReportUnreadable


async def _book_due(ctx: Context, event: EventCause[Any], message: payments.PaymentDue) -> None:
    await commands.book_due(
        ctx, event, message.payment_id, account_id=message.account_id, fee=piastres(message.fee, "fee")
    )


async def _book_settled(ctx: Context, event: EventCause[Any], message: payments.PaymentSettled) -> None:
    await commands.book_settled(
        ctx,
        event,
        message.payment_id,
        account_id=message.account_id,
        fee=piastres(message.fee, "fee"),
        discount=piastres(message.discount, "discount"),
    )


async def _book_overpaid(ctx: Context, event: EventCause[Any], message: payments.PaymentOverpaid) -> None:
    await commands.book_overpaid(
        ctx,
        event,
        message.payment_id,
        account_id=message.account_id,
        charge_id=message.charge_id,
        amount=piastres(message.amount, "amount"),
    )
