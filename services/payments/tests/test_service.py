"""Payments from outside: events of notary and the acquirer in; payments, events and journal entries out."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from chassis import telemetry
from diwan.operations.v1 import operations_pb2, operations_pb2_grpc
from diwan.payments.v1 import acquirer_pb2 as acquirer
from diwan.payments.v1 import events_pb2 as events
from diwan.payments.v1 import payments_pb2 as pb
from google.protobuf import json_format
from google.type.money_pb2 import Money
from payments.commands import payment_id_of
from testkit.loads import loads
from testkit.service import OPERATOR, Trial, eventually

from .desk import (
    DISCOUNT,
    FEE,
    PAID,
    SHARE,
    Case,
    Desk,
    egp,
    fee,
    uid,
)

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]

EVENTS = "notification.payments.payment"


@pytest.fixture
def desk(trial: Trial) -> Desk:
    return Desk(trial)


async def test_a_command_loads_its_payment_once(desk: Desk) -> None:
    """For an event and for a request; only the first entry of the journal loads it once more."""
    case = Case(await desk.create_service())
    payment_id = payment_id_of(case.id)

    async def has_entries(count: int) -> bool:
        return len(await desk.entries(payment_id=payment_id)) == count

    before = loads("payments")
    await desk.submit(case)
    await eventually(lambda: has_entries(1))
    due = loads("payments")
    charge = await desk.request_charge(case)
    paid = loads("payments")
    await desk.publish_settled(charge)
    await eventually(lambda: has_entries(2))

    assert (due - before, paid - due, loads("payments") - paid) == (2, 1, 1)


async def test_the_journal_of_a_power_of_attorney_shows_each_share(desk: Desk) -> None:
    """After due, settlement with the discount and collection each account has its share, and all sum to zero."""
    case = await desk.create_due()
    charge = await desk.request_charge(case)
    card = json_format.Parse(charge.card, acquirer.CardContent())
    await desk.publish_settled(charge)
    paid = await desk.await_state(case, "SETTLED")
    await desk.collect(case)

    balances = await desk.await_balances(case, "due", "settled", "earned")

    assert (card.card_token, charge.amount) == ("tok_x", egp(PAID))
    assert (paid.fee, paid.discount, paid.amount) == (egp(FEE), egp(DISCOUNT), egp(PAID))
    assert balances == {
        f"citizen/{case.account}": 0,
        "deferred/notary": 0,
        "acquirer/card": PAID,
        "incentive/electronic": DISCOUNT,
        "agency/notary": SHARE - FEE,
        "platform": -SHARE,
    }
    assert sum(balances.values()) == 0


async def test_a_settled_payment_publishes_an_event(desk: Desk) -> None:
    """The event holds account, amount and discount."""
    case = await desk.create_due()
    await desk.publish_settled(await desk.request_charge(case))

    settled = await published(desk, case, events.PaymentSettled)

    assert (settled.account_id, settled.amount, settled.discount) == (case.account, egp(PAID), egp(DISCOUNT))


async def published(desk: Desk, case: Case, event_type: Any) -> Any:
    async def poll() -> Any:
        events = await desk.trial.all_taken(EVENTS, event_type, 1, within_seconds=1)
        return next((event for event in events if event.subject_id == case.id), None)

    return await eventually(poll)


async def test_a_refused_payment_publishes_an_event_and_can_be_repeated(desk: Desk) -> None:
    """The reason is kept until the next charge."""
    case = await desk.create_due()
    await desk.publish_refused(await desk.request_charge(case))
    refused = await desk.await_refusal(case)

    second = await desk.request_charge(case)
    await desk.publish_settled(second)
    paid = await desk.await_state(case, "SETTLED")

    assert refused.refusal_reason == "DECLINED"
    assert paid.refusal_reason == ""
    assert (await published(desk, case, events.PaymentRefused)).reason == "DECLINED"


async def test_repeated_settlements_are_booked_once(desk: Desk) -> None:
    """Both the same event again and another event with the same content."""
    case = await desk.create_due()
    charge, event_id = await desk.request_charge(case), uid()

    for _ in range(3):
        await desk.publish_settled(charge, event_id=event_id)
    await desk.publish_settled(charge)
    await desk.await_state(case, "SETTLED")

    assert (await desk.await_balances(case, "due", "settled"))["acquirer/card"] == PAID
    await asyncio.sleep(0.5)
    assert len(await desk.entries(payment_id=charge.payment_id)) == 2


async def test_repeated_events_of_notary_are_booked_once(desk: Desk) -> None:
    """A case that is submitted again after a correction owes one fee; collected twice it earns one."""
    case = await desk.create_due()
    await desk.submit(case)
    await desk.publish_settled(await desk.request_charge(case))
    payment = await desk.await_state(case, "SETTLED")
    await desk.collect(case, uid())
    await desk.await_balances(case, "due", "settled", "earned")
    once = await desk.entries(payment_id=payment.payment_id)
    await desk.collect(case, uid())
    await asyncio.sleep(0.5)

    assert await desk.entries(payment_id=payment.payment_id) == once


async def test_a_second_settled_charge_is_credited_to_the_citizen(desk: Desk) -> None:
    """The first charge was reported as refused, but both are settled."""
    case = await desk.create_due()
    first = await desk.request_charge(case)
    await desk.publish_refused(first)
    await desk.await_refusal(case)
    second = await desk.request_charge(case)

    await desk.publish_settled(first)
    await desk.await_state(case, "SETTLED")
    await desk.publish_settled(second)
    balances = await desk.await_balances(case, "due", "settled", "overpaid")

    assert balances["acquirer/card"] == 2 * PAID
    assert balances[f"citizen/{case.account}"] == -PAID
    assert sum(balances.values()) == 0


@pytest.mark.parametrize(
    ("amount", "reason"),
    [
        (egp(PAID - 1), "AMOUNT_MISMATCH"),
        (Money(currency_code="USD", units=108), "MONEY_INVALID"),
        (Money(currency_code="EGP", units=108, nanos=1), "MONEY_INVALID"),
    ],
)
async def test_a_settlement_of_another_amount_is_parked(desk: Desk, amount: Money, reason: str) -> None:
    """A person must investigate; the payment is unchanged."""
    case = await desk.create_due()
    charge = await desk.request_charge(case)

    event_id = await desk.publish_settled(charge, amount)

    assert await desk.await_parked(event_id) == reason
    assert pb.PaymentState.Name((await desk.get(case)).state) == "PAYMENT_STATE_PROCESSING"


async def test_a_contradiction_of_a_settled_charge_is_kept(desk: Desk) -> None:
    """Another amount, also under the id of the true event, and a refusal: parked, counted, without effect."""
    case = await desk.create_due()
    charge = await desk.request_charge(case)
    origin = uid()
    true_id = await desk.publish_settled(charge, event_id=origin)
    await desk.await_state(case, "SETTLED")

    other_amount = await desk.publish_settled(charge, egp(PAID + 1))
    refused = await desk.publish_refused(charge)
    await desk.publish_settled(charge, egp(PAID + 2), event_id=origin)
    await desk.publish_settled(charge, event_id=origin)

    assert await desk.await_parked(other_amount) == "AMOUNT_MISMATCH"
    assert await desk.await_parked(refused) == "CHARGE_CONTRADICTED"
    assert await desk.await_parked(true_id) == "CONTENT_CHANGED"
    assert (await desk.await_balances(case, "due", "settled"))["acquirer/card"] == PAID
    for reason in ("AMOUNT_MISMATCH", "CHARGE_CONTRADICTED"):
        sample = telemetry.current().registry.get_sample_value
        assert (sample("diwan_payments_contradictions_total", {"reason": reason}) or 0) >= 1


async def test_a_contradiction_that_came_first_stays_parked_after_a_replay(desk: Desk) -> None:
    """The true settlement comes later; the replayed message is parked again and not taken for a repetition."""
    case = await desk.create_due()
    charge = await desk.request_charge(case)
    origin = uid()
    event_id = await desk.publish_settled(charge, egp(PAID - 1), event_id=origin)
    assert await desk.await_parked(event_id) == "AMOUNT_MISMATCH"
    await desk.publish_settled(charge, event_id=origin)
    await desk.await_state(case, "SETTLED")

    (parked,) = [one for one in await desk.trial.parked() if event_id in one.parked_id]
    stub = operations_pb2_grpc.OperationsServiceStub(desk.trial.channel)
    request = operations_pb2.ReplayParkedRequest(parked_id=parked.parked_id)
    await stub.ReplayParked(request, metadata=desk.trial.bearer(OPERATOR))

    async def parked_again() -> bool:
        return await desk.await_parked(event_id) == "CONTENT_CHANGED"

    await eventually(parked_again)


async def test_an_unreadable_report_is_parked(desk: Desk) -> None:
    """Its fields are in the parked message."""
    report = acquirer.ReportUnreadable(charge_id=uid(), fields=["charge.amount"], digest="00" * 32)

    event_id = await desk.trial.publish("acquirer", report)

    assert await desk.await_parked(event_id) == "REPORT_UNREADABLE"


async def test_an_event_of_an_unknown_charge_is_parked(desk: Desk) -> None:
    """The payment exists, the charge does not."""
    case = await desk.create_due()
    charge = await desk.request_charge(case)
    charge.charge_id = uid()

    assert await desk.await_parked(await desk.publish_settled(charge)) == "CHARGE_UNKNOWN"


async def test_a_case_without_a_published_fee_is_retried(desk: Desk) -> None:
    """Its payment becomes due once the fee is published."""
    case = Case(f"trial.{uid().replace('-', '')}")
    await desk.submit(case)
    await asyncio.sleep(0.3)

    await desk.publish_tariff(fee(case.service))

    assert (await desk.await_state(case, "DUE")).fee == egp(FEE)


async def test_the_fee_is_that_of_the_day_of_submission(desk: Desk) -> None:
    """A later fee does not change the payments of submitted cases."""
    case = Case(f"trial.{uid().replace('-', '')}")
    tomorrow = timedelta(days=1)
    await desk.publish_tariff(
        fee(case.service, valid_until=tomorrow),
        fee(case.service, valid_from=tomorrow, amount=egp(20_000)),
    )
    later = Case(case.service, time=case.time + timedelta(days=1))

    assert (await desk.get(await desk.create_due(case))).fee == egp(FEE)
    assert (await desk.get(await desk.create_due(later))).fee == egp(20_000)
