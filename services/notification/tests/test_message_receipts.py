"""Receipts of a running notification: before, after and without the result of their submission."""

import pytest
from diwan.notification.v1 import sms_pb2
from testkit.service import Trial, eventually

from .desk import await_state, phone, receipt, send_code, submitted, uid

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]


async def test_a_receipt_without_message_and_phone_waits_for_the_submission(trial: Trial) -> None:
    """It waits in the inbox and is retried."""
    message, part = await send_code(trial, uid()), uid()

    await trial.publish("sms", receipt(part))
    await trial.publish("sms", submitted(message, part))

    await await_state(trial, message, "DELIVERED")


def named(known: str, message: str, mobile: str) -> dict[str, str]:
    """Return what the connector knows of a receipt's message: its id, or the phone."""
    return {"message": message} if known == "message" else {"mobile": mobile}


# A code in Arabic has two parts.
@pytest.mark.parametrize("known", ["message", "phone"])
@pytest.mark.parametrize("state", ["DELIVERED", "UNDELIVERED", "EXPIRED"])
async def test_receipts_before_the_submission_are_kept_in_their_message(
    trial: Trial, known: str, state: str
) -> None:
    """They need no inbox and no submission: the operator has accepted the message."""
    mobile, parts = phone(), [uid(), uid()]
    message = await send_code(trial, uid(), mobile)

    for part in parts:
        await trial.publish("sms", receipt(part, state, **named(known, message, mobile)))
    await await_state(trial, message, state)
    await trial.publish("sms", submitted(message, *parts))
    await trial.publish("sms", sms_pb2.SmsUnknown(message_id=message))
    # Events of one queue are handled in their order: the last one shows that the others were.
    last = await send_code(trial, uid())
    await trial.publish("sms", submitted(last, uid(), uid()))
    await await_state(trial, last, "SUBMITTED")

    assert (await await_state(trial, message, state)).parts == 2


@pytest.mark.parametrize("known", ["message", "phone"])
async def test_receipts_win_over_unknown(trial: Trial, known: str) -> None:
    """After a crash between submit and answer only they show that the person has the code."""
    mobile, parts = phone(), [uid(), uid()]
    message = await send_code(trial, uid(), mobile)
    await trial.publish("sms", sms_pb2.SmsUnknown(message_id=message))
    await await_state(trial, message, "UNKNOWN")

    for part in (*parts, *parts):
        await trial.publish("sms", receipt(part, **named(known, message, mobile)))

    assert (await await_state(trial, message, "DELIVERED")).parts == 2


async def test_a_receipt_that_two_messages_may_have_waits_until_it_is_certain(trial: Trial) -> None:
    """Two codes to one phone, both without a result: the receipts are attributed once one of them has its own parts."""
    mobile, parts = phone(), [uid(), uid()]
    first, second = await send_code(trial, uid(), mobile), await send_code(trial, uid(), mobile)
    for message in (first, second):
        await trial.publish("sms", sms_pb2.SmsUnknown(message_id=message))
        await await_state(trial, message, "UNKNOWN")

    for part in parts:
        await trial.publish("sms", receipt(part, mobile=mobile))
    await trial.publish("sms", submitted(second, uid(), uid()))
    await await_state(trial, first, "DELIVERED")

    assert (await await_state(trial, second, "SUBMITTED")).parts == 2


async def test_an_unreadable_receipt_is_parked(trial: Trial) -> None:
    """An operator finds it by its reason; its content stays sealed."""
    event = sms_pb2.SmsReceiptUnreadable(reason="STATE_MISSING", pdu="00010203")

    event_id = await trial.publish("sms", event)

    async def poll() -> list[str]:
        return [one.reason for one in await trial.parked() if event_id in one.parked_id]

    assert await eventually(poll) == ["RECEIPT_UNREADABLE"]
