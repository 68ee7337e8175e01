"""The model's facts as the messages that payments publishes: one table."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from chassis import protojson
from chassis.messaging import headers
from chassis.money import money
from diwan.payments.v1 import acquirer_pb2 as acquirer
from diwan.payments.v1 import events_pb2 as events
from google.protobuf.message import Message

from payments.model import payment as model


def _due(fact: model.Due) -> Message:
    return events.PaymentDue(
        payment_id=fact.payment_id,
        subject_id=fact.subject_id,
        account_id=fact.account_id,
        fee=money(fact.fee),
    )


def _charge_requested(fact: model.ChargeRequested) -> Message:
    card = acquirer.CardContent(card_token=fact.card_token)
    return acquirer.RequestCharge(
        charge_id=fact.charge_id,
        payment_id=fact.payment_id,
        amount=money(fact.amount),
        expire_time=headers.format_time(fact.expire_time),
        # Sealed for the connector, as its proto says, on its way into the outbox.
        card=protojson.dumps(card),
    )


def _charge_inquired(fact: model.ChargeInquired) -> Message:
    return acquirer.InquireCharge(charge_id=fact.charge_id, payment_id=fact.payment_id)


def _settled(fact: model.Settled) -> Message:
    return events.PaymentSettled(
        payment_id=fact.payment_id,
        subject_id=fact.subject_id,
        account_id=fact.account_id,
        fee=money(fact.fee),
        discount=money(fact.discount),
        amount=money(fact.amount),
    )


def _refused(fact: model.Refused) -> Message:
    return events.PaymentRefused(
        payment_id=fact.payment_id,
        subject_id=fact.subject_id,
        account_id=fact.account_id,
        reason=fact.reason,
    )


def _overpaid(fact: model.Overpaid) -> Message:
    return events.PaymentOverpaid(
        payment_id=fact.payment_id,
        subject_id=fact.subject_id,
        account_id=fact.account_id,
        charge_id=fact.charge_id,
        amount=money(fact.amount),
    )


MESSAGES: Mapping[type[model.Fact], Callable[[Any], Message]] = {
    model.Due: _due,
    model.ChargeRequested: _charge_requested,
    model.ChargeInquired: _charge_inquired,
    model.Settled: _settled,
    model.Refused: _refused,
    model.Overpaid: _overpaid,
}


def messages(stated: Iterable[model.Fact]) -> tuple[Message, ...]:
    """The messages of some facts, in their order."""
    return tuple(MESSAGES[type(fact)](fact) for fact in stated)
