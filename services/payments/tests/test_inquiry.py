"""Inquiries: payments inquires about a charge without a result until it receives one."""

from collections.abc import Iterator

import pytest
from diwan.payments.v1 import acquirer_pb2 as acquirer
from diwan.payments.v1 import payments_pb2 as pb
from testkit.service import Trial

from .desk import Desk

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]

INQUIRIES = "acquirer.payments.inquiry"


@pytest.fixture(scope="module", autouse=True)
def short_interval() -> Iterator[None]:
    """Let payments inquire after one second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PAYMENTS_INQUIRE_MINUTES", str(1 / 60))
        yield


@pytest.fixture
def desk(trial: Trial) -> Desk:
    return Desk(trial)


async def await_inquiry(desk: Desk, charge: acquirer.RequestCharge) -> acquirer.InquireCharge:
    return await desk.trial.taken(
        INQUIRIES, acquirer.InquireCharge, lambda one: one.charge_id == charge.charge_id
    )


async def test_inquiries_are_repeated_until_the_charge_has_a_result(desk: Desk) -> None:
    """After a refusal there are no more inquiries, and the fee can be paid with another charge."""
    case = await desk.create_due()
    charge = await desk.request_charge(case)

    first, second = await await_inquiry(desk, charge), await await_inquiry(desk, charge)
    await desk.publish_refused(charge)
    await desk.await_refusal(case)
    await desk.trial.all_sent()  # inquiries decided before the refusal
    await desk.trial.all_taken(INQUIRIES, acquirer.InquireCharge, 100, within_seconds=0.5)

    assert first == second == acquirer.InquireCharge(charge_id=charge.charge_id, payment_id=charge.payment_id)
    assert await desk.trial.all_taken(INQUIRIES, acquirer.InquireCharge, 1, within_seconds=2.5) == []
    assert pb.PaymentState.Name((await desk.pay(case)).state) == "PAYMENT_STATE_PROCESSING"


async def test_a_charge_settled_after_an_inquiry_settles_the_payment(desk: Desk) -> None:
    """The late result is applied like any other."""
    case = await desk.create_due()
    charge = await desk.request_charge(case)
    await await_inquiry(desk, charge)

    await desk.publish_settled(charge)

    assert (await desk.await_state(case, "SETTLED")).refusal_reason == ""
