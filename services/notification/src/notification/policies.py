"""Notification's policies: a table from events to messages and their states."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from chassis import protojson, times
from chassis.commands import EventCause
from chassis.mapping import members
from chassis.messaging.policies import Policy, non_retryable, on
from chassis.money import PIASTRES_A_POUND, piastres
from diwan.identity.v1 import events_pb2 as identity
from diwan.notary.v1 import events_pb2 as notary
from diwan.notification.v1 import sms_pb2 as sms
from diwan.payments.v1 import events_pb2 as payments
from google.protobuf.message import Message as Proto

from notification import commands
from notification.context import Context
from notification.errors import NON_RETRYABLE
from notification.model import Contact, ReceiptState, ReceiptStateUnknown, ReceiptUnreadable

ACCOUNTS = "notification.identity.account"
ORDERS = "notification.identity.message"
PAYMENTS = "notification.payments.payment"
CASES = "notification.notary.power_of_attorney"
SMS = "notification.sms.message"


@dataclass(frozen=True)
class NotificationRule:
    """The message for an event: functions for template, recipient, request number, and further values."""

    template: Callable[[Any], str]
    account_id: Callable[[Any], str]
    number: Callable[[EventCause[Any]], str]
    values: Callable[[Any], Mapping[str, str]] = lambda _: {}


def _pounds(message: Proto, field: str) -> str:
    """An amount of a message in pounds, `108` or `108.50`; MoneyInvalid if the field is not an amount."""
    pounds, rest = divmod(piastres(getattr(message, field), field), PIASTRES_A_POUND)
    return f"{pounds}.{rest:02}" if rest else f"{pounds}"


def _payment(template: str, values: Callable[[Any], Mapping[str, str]] = lambda _: {}) -> NotificationRule:
    return NotificationRule(
        lambda _: template, lambda m: str(m.account_id), lambda event: event.correlation, values
    )


def _case(
    template: Callable[[Any], str], values: Callable[[Any], Mapping[str, str]] = lambda _: {}
) -> NotificationRule:
    return NotificationRule(
        template, lambda m: str(m.principal_account_id), lambda event: event.message.number, values
    )


RULES: Mapping[tuple[str, type[Proto]], NotificationRule] = {
    (PAYMENTS, payments.PaymentDue): _payment("payment.due", lambda m: {"amount": _pounds(m, "fee")}),
    (PAYMENTS, payments.PaymentSettled): _payment(
        "payment.settled", lambda m: {"amount": _pounds(m, "amount")}
    ),
    (PAYMENTS, payments.PaymentRefused): _payment("payment.refused"),
    (CASES, notary.PowerOfAttorneyIssued): _case(
        lambda _: "power_of_attorney.issued", lambda m: {"office": m.office_name}
    ),
    (CASES, notary.PowerOfAttorneyCollected): _case(lambda _: "power_of_attorney.collected"),
    (CASES, notary.PowerOfAttorneyReturned): _case(
        lambda m: "power_of_attorney.refused" if m.refused else "power_of_attorney.returned"
    ),
}
"""Rule for each queue and event."""

RECEIPTS = members(ReceiptState, sms.SmsReceiptState)


def table(ctx: Context) -> list[Policy]:
    """Notification's policies."""
    lines = [
        on(ACCOUNTS, identity.AccountEnrolled, partial(_keep_contact, ctx), name="keep_contact"),
        on(ORDERS, identity.SendMessage, partial(_send, ctx), name="send"),
        *(
            on(queue, kind, partial(_notify, ctx, rule), name=f"tell.{kind.DESCRIPTOR.name}")
            for (queue, kind), rule in RULES.items()
        ),
        on(SMS, sms.SmsSubmitted, partial(_submitted, ctx), name="submitted"),
        on(SMS, sms.SmsRefused, partial(_refused, ctx), name="refused"),
        on(SMS, sms.SmsUnknown, partial(_unknown, ctx), name="unknown"),
        on(SMS, sms.SmsExpired, partial(_expired, ctx), name="expired"),
        on(SMS, sms.SmsReceipted, partial(_receipted, ctx), name="receipted"),
        on(SMS, sms.SmsReceiptUnreadable, _keep_unreadable, name="keep_unreadable"),
    ]
    return non_retryable(NON_RETRYABLE, lines)


async def _keep_contact(ctx: Context, event: EventCause[Any], message: identity.AccountEnrolled) -> None:
    contact = protojson.loads(message.contact, identity.Contact)
    stored = Contact(message.account_id, contact.mobile, contact.language or "ar")
    await commands.keep_contact(ctx, event, stored)


async def _send(ctx: Context, event: EventCause[Any], message: identity.SendMessage) -> None:
    content = protojson.loads(message.content, identity.MessageContent)
    if content.mobile:
        contact = Contact(message.account_id, content.mobile)
    else:
        contact = await commands.contact_of(ctx, message.account_id)
    await commands.tell(
        ctx,
        event,
        contact,
        template=message.template,
        values=content.values,
        number=event.correlation,
        expire_time=times.parse_time(message.expire_time) if message.expire_time else None,
    )


async def _notify(ctx: Context, rule: NotificationRule, event: EventCause[Any], message: Proto) -> None:
    number = rule.number(event)
    await commands.tell_account(
        ctx,
        event,
        rule.account_id(message),
        template=rule.template(message),
        values={"number": number, **rule.values(message)},
        number=number,
    )


async def _submitted(ctx: Context, event: EventCause[Any], message: sms.SmsSubmitted) -> None:
    await commands.submitted(
        ctx, event, message.message_id, message.part_ids, parts_unknown=message.parts_unknown
    )


async def _refused(ctx: Context, event: EventCause[Any], message: sms.SmsRefused) -> None:
    await commands.refused(ctx, event, message.message_id, message.reason)


async def _unknown(ctx: Context, event: EventCause[Any], message: sms.SmsUnknown) -> None:
    await commands.lost(ctx, event, message.message_id)


async def _expired(ctx: Context, event: EventCause[Any], message: sms.SmsExpired) -> None:
    await commands.expired(ctx, event, message.message_id)


async def _receipted(ctx: Context, event: EventCause[Any], message: sms.SmsReceipted) -> None:
    receipt = RECEIPTS.get(message.state)
    if receipt is None:
        raise ReceiptStateUnknown
    time = times.parse_time(message.receipt_time) if message.receipt_time else event.time
    await commands.receipted(
        ctx,
        event,
        commands.Receipt(message.part_id, receipt, time),
        message_id=message.message_id,
        mobile=message.mobile,
    )


async def _keep_unreadable(_event: EventCause[Any], _message: sms.SmsReceiptUnreadable) -> None:
    """Park the event: its sealed PDU waits for an operator."""
    raise ReceiptUnreadable
