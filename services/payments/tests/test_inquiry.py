"""A charge of which nothing is heard: payments asks what became of it, until it is told."""

from collections.abc import Iterator

import pytest
from diwan.payments.v1 import acquirer_pb2 as acquirer
from diwan.payments.v1 import payments_pb2 as pb
from testkit.service import Trial

from .desk import Desk

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]

INQUIRIES = "acquirer.payments.inquiry"


@pytest.fixture(scope="module", autouse=True)
def impatient() -> Iterator[None]:
    """A payments that inquires after a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PAYMENTS_INQUIRE_MINUTES", str(1 / 60))
        yield


@pytest.fixture
def desk(trial: Trial) -> Desk:
    return Desk(trial)


async def inquired(desk: Desk, charge: acquirer.RequestCharge) -> acquirer.InquireCharge:
    return await desk.trial.taken(
        INQUIRIES, acquirer.InquireCharge, lambda one: one.charge_id == charge.charge_id
    )


async def test_silence_is_inquired_of_until_it_ends(desk: Desk) -> None:
    """Again and again; then the fee may be paid by another charge, and nobody asks any more."""
    case = await desk.due()
    charge = await desk.charge(case)

    first, second = await inquired(desk, charge), await inquired(desk, charge)
    await desk.refused(charge)
    await desk.due_again(case)
    await desk.trial.all_sent()  # what was decided before
    await desk.trial.all_taken(INQUIRIES, acquirer.InquireCharge, 100, within_seconds=0.5)

    assert first == second == acquirer.InquireCharge(charge_id=charge.charge_id, payment_id=charge.payment_id)
    assert await desk.trial.all_taken(INQUIRIES, acquirer.InquireCharge, 1, within_seconds=2.5) == []
    assert pb.PaymentState.Name((await desk.pay(case)).state) == "PAYMENT_STATE_PROCESSING"


async def test_what_was_settled_after_all_is_not_inquired_of(desk: Desk) -> None:
    """An inquiry ends with the news that it brings."""
    case = await desk.due()
    charge = await desk.charge(case)
    await inquired(desk, charge)

    await desk.settled(charge)

    assert (await desk.came_to(case, "SETTLED")).refusal_reason == ""
