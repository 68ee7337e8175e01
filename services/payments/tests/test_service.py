"""Payments as others meet it: notary's and the acquirer's events in, quotes, payments and books to be read."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from diwan.payments.v1 import acquirer_pb2 as acquirer
from diwan.payments.v1 import events_pb2 as events
from diwan.payments.v1 import payments_pb2 as pb
from google.protobuf import json_format
from google.type.money_pb2 import Money
from payments.commands import payment_id_of
from testkit.loads import loads
from testkit.service import Trial, eventually

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

TOLD = "notification.payments.payment"


@pytest.fixture
def desk(trial: Trial) -> Desk:
    return Desk(trial)


async def test_a_command_loads_its_payment_once(desk: Desk) -> None:
    """For an event and for a request; only the first entry in the books reads the payment besides."""
    case = Case(await desk.service())
    payment_id = payment_id_of(case.id)

    async def booked(count: int) -> bool:
        return len(await desk.entries(payment_id=payment_id)) == count

    before = loads("payments")
    await desk.submit(case)
    await eventually(lambda: booked(1))
    due = loads("payments")
    charge = await desk.charge(case)
    paid = loads("payments")
    await desk.settled(charge)
    await eventually(lambda: booked(2))

    assert (due - before, paid - due, loads("payments") - paid) == (2, 1, 1)


async def test_a_power_of_attorney_goes_through_the_books(desk: Desk) -> None:
    """Due, paid with the discount, collected: each account shows its part, and all sum to zero."""
    case = await desk.due()
    charge = await desk.charge(case)
    card = json_format.Parse(charge.card, acquirer.CardContent())
    await desk.settled(charge)
    paid = await desk.came_to(case, "SETTLED")
    await desk.collect(case)

    books = await desk.books(case, "due", "settled", "earned")

    assert (card.card_token, charge.amount) == ("tok_x", egp(PAID))
    assert (paid.fee, paid.discount, paid.amount) == (egp(FEE), egp(DISCOUNT), egp(PAID))
    assert books == {
        f"citizen/{case.account}": 0,
        "deferred/notary": 0,
        "acquirer/card": PAID,
        "incentive/electronic": DISCOUNT,
        "agency/notary": SHARE - FEE,
        "platform": -SHARE,
    }
    assert sum(books.values()) == 0


async def test_each_step_is_told_with_the_number_of_the_journey(desk: Desk) -> None:
    """Due and settled, in the order of their sequence, for whoever listens."""
    case = await desk.due()
    await desk.settled(await desk.charge(case))

    settled = await told(desk, case, events.PaymentSettled)

    assert (settled.account_id, settled.amount, settled.discount) == (case.account, egp(PAID), egp(DISCOUNT))


async def told(desk: Desk, case: Case, kind: Any) -> Any:
    async def look() -> Any:
        found = await desk.trial.all_taken(TOLD, kind, 1, within_seconds=1)
        return next((one for one in found if one.subject_id == case.id), None)

    return await eventually(look)


async def test_a_refused_payment_is_told_and_may_be_tried_again(desk: Desk) -> None:
    """The reason is shown until the next try."""
    case = await desk.due()
    await desk.refused(await desk.charge(case))
    refused = await desk.due_again(case)

    second = await desk.charge(case)
    await desk.settled(second)
    paid = await desk.came_to(case, "SETTLED")

    assert refused.refusal_reason == "DECLINED"
    assert paid.refusal_reason == ""
    assert (await told(desk, case, events.PaymentRefused)).reason == "DECLINED"


async def test_an_acquirer_that_calls_back_twice_is_booked_once(desk: Desk) -> None:
    """Whether it is the same event again, or another that says the same."""
    case = await desk.due()
    charge, event_id = await desk.charge(case), uid()

    for _ in range(3):
        await desk.settled(charge, event_id=event_id)
    await desk.settled(charge)
    await desk.came_to(case, "SETTLED")

    assert (await desk.books(case, "due", "settled"))["acquirer/card"] == PAID
    await asyncio.sleep(0.5)
    assert len(await desk.entries(payment_id=charge.payment_id)) == 2


async def test_notary_may_tell_twice_and_is_booked_once(desk: Desk) -> None:
    """A case submitted again after a correction owes one fee; collected twice it earns one."""
    case = await desk.due()
    await desk.submit(case)
    await desk.settled(await desk.charge(case))
    payment = await desk.came_to(case, "SETTLED")
    await desk.collect(case, uid())
    await desk.books(case, "due", "settled", "earned")
    once = await desk.entries(payment_id=payment.payment_id)
    await desk.collect(case, uid())
    await asyncio.sleep(0.5)

    assert await desk.entries(payment_id=payment.payment_id) == once


async def test_money_taken_for_a_refused_charge_settles_and_a_second_one_is_the_citizens(desk: Desk) -> None:
    """The first charge was said to be refused, and both turn out to be paid."""
    case = await desk.due()
    first = await desk.charge(case)
    await desk.refused(first)
    await desk.due_again(case)
    second = await desk.charge(case)

    await desk.settled(first)
    await desk.came_to(case, "SETTLED")
    await desk.settled(second)
    books = await desk.books(case, "due", "settled", "overpaid")

    assert books["acquirer/card"] == 2 * PAID
    assert books[f"citizen/{case.account}"] == -PAID
    assert sum(books.values()) == 0


@pytest.mark.parametrize(
    ("amount", "reason"),
    [
        (egp(PAID - 1), "AMOUNT_MISMATCH"),
        (Money(currency_code="USD", units=108), "MONEY_INVALID"),
        (Money(currency_code="EGP", units=108, nanos=1), "MONEY_INVALID"),
    ],
)
async def test_another_amount_than_asked_for_is_parked(desk: Desk, amount: Money, reason: str) -> None:
    """A person must look; the payment stays as it was."""
    case = await desk.due()
    charge = await desk.charge(case)

    event_id = await desk.settled(charge, amount)

    assert await desk.parked(event_id) == reason
    assert pb.PaymentState.Name((await desk.get(case)).state) == "PAYMENT_STATE_PROCESSING"


async def test_a_charge_that_we_never_asked_for_is_parked(desk: Desk) -> None:
    """Of a payment that exists, but not of this charge."""
    case = await desk.due()
    charge = await desk.charge(case)
    charge.charge_id = uid()

    assert await desk.parked(await desk.settled(charge)) == "CHARGE_UNKNOWN"


async def test_a_case_waits_for_its_fee_to_be_published(desk: Desk) -> None:
    """The event is tried again, and finds the fee."""
    case = Case(f"trial.{uid().replace('-', '')}")
    await desk.submit(case)
    await asyncio.sleep(0.3)

    await desk.tariff(fee(case.service))

    assert (await desk.came_to(case, "DUE")).fee == egp(FEE)


async def test_the_fee_is_that_of_the_day_of_submission(desk: Desk) -> None:
    """A later one changes nothing for who has submitted."""
    case = Case(f"trial.{uid().replace('-', '')}")
    tomorrow = timedelta(days=1)
    await desk.tariff(
        fee(case.service, valid_until=tomorrow),
        fee(case.service, valid_from=tomorrow, amount=egp(20_000)),
    )
    later = Case(case.service, time=case.time + timedelta(days=1))

    assert (await desk.get(await desk.due(case))).fee == egp(FEE)
    assert (await desk.get(await desk.due(later))).fee == egp(20_000)
