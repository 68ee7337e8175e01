"""Notification as others meet it: their events in, sealed orders to the SMS connector out, states to be read."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from diwan.identity.v1 import events_pb2 as identity
from diwan.notary.v1 import events_pb2 as notary
from diwan.notification.v1 import notification_pb2 as pb
from diwan.notification.v1 import sms_pb2
from diwan.payments.v1 import events_pb2 as payments
from google.type.money_pb2 import Money
from testkit.service import Trial, eventually

from .desk import (
    MOBILE,
    NUMBER,
    ORDERS,
    came_to,
    code,
    enrol,
    of,
    order,
    receipt,
    sent,
    submitted,
    uid,
)

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]


async def test_a_code_goes_sealed_to_the_connector_and_is_kept_nowhere(trial: Trial) -> None:
    """Number and text are for the connector alone; what is kept says template and state."""
    account = uid()

    await trial.publish("identity", code(account))
    taken, content = await order(trial, account)

    assert (taken.once, content.mobile) == (True, MOBILE)
    assert "123456" in content.text
    assert content.text.startswith("ديوان")
    shown = (await of(trial, account))[0]
    assert (shown.message_id, shown.template) == (taken.message_id, "code.sign_in")
    assert pb.MessageState.Name(shown.state) == "MESSAGE_STATE_PENDING"
    stored = await raw(trial)
    assert "123456" not in stored
    assert MOBILE not in stored


async def raw(trial: Trial) -> str:
    """Everything that the store holds of messages, once the outbox has been sent."""
    import pymongo

    settings = trial.env.settings

    def read() -> str:
        with pymongo.MongoClient[dict[str, Any]](settings.store_uri) as client:
            database = client[settings.store_database]
            names = [name for name in database.list_collection_names() if name != "contacts"]
            return repr([list(database[name].find()) for name in names])

    return await asyncio.to_thread(read)


async def test_an_account_is_told_at_the_contact_that_came_with_its_enrolment(trial: Trial) -> None:
    """In the language wanted there; the order of the two events does not matter."""
    account = uid()

    await trial.publish("identity", code(account, mobile=""))
    await enrol(trial, account, "en")
    _, content = await order(trial, account)

    assert content.mobile == MOBILE
    assert content.text.startswith("Diwan")


PAID = Money(currency_code="EGP", units=108)
FEE = Money(currency_code="EGP", units=120, nanos=500_000_000)


@pytest.mark.parametrize(
    ("user", "event", "template", "words"),
    [
        ("payments", payments.PaymentDue(fee=FEE), "payment.due", ["120.50"]),
        ("payments", payments.PaymentSettled(fee=FEE, amount=PAID), "payment.settled", ["108 "]),
        ("payments", payments.PaymentRefused(reason="DECLINED"), "payment.refused", []),
        (
            "notary",
            notary.PowerOfAttorneyIssued(number=NUMBER, office_name="مكتب توثيق الدقي"),
            "power_of_attorney.issued",
            ["مكتب توثيق الدقي"],
        ),
        ("notary", notary.PowerOfAttorneyCollected(number=NUMBER), "power_of_attorney.collected", []),
        ("notary", notary.PowerOfAttorneyReturned(number=NUMBER), "power_of_attorney.returned", []),
        (
            "notary",
            notary.PowerOfAttorneyReturned(number=NUMBER, refused=True),
            "power_of_attorney.refused",
            [],
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_who_is_concerned_is_told_of_each_step(
    trial: Trial, user: str, event: Any, template: str, words: list[str]
) -> None:
    """One row an event: its template, the journey's number, and the values that the event brings."""
    account = uid()
    await enrol(trial, account)
    told = type(event)()
    told.CopyFrom(event)
    setattr(told, "account_id" if user == "payments" else "principal_account_id", account)

    await trial.publish(user, told, number=NUMBER)
    taken, content = await order(trial, account)

    assert taken.once is False
    for word in [NUMBER, *words]:
        assert word in content.text
    shown = (await of(trial, account))[0]
    assert (shown.template, shown.request_number) == (template, NUMBER)


async def test_one_event_makes_one_message(trial: Trial) -> None:
    """Delivered again, it has no second effect."""
    account, event_id = uid(), uid()
    await enrol(trial, account)
    event = payments.PaymentRefused(account_id=account, reason="DECLINED")

    for _ in range(3):
        await trial.publish("payments", event, subject=account, number=NUMBER, event_id=event_id)
    message, _ = await order(trial, account)
    more = await trial.all_taken(ORDERS, sms_pb2.SubmitSms, 1, within_seconds=2)

    assert [one.message_id for one in await of(trial, account)] == [message.message_id]
    assert message.message_id not in [one.message_id for one in more]


async def test_receipts_of_all_parts_deliver_a_message(trial: Trial) -> None:
    """Each step is kept with its time."""
    message = await sent(trial, uid())
    parts = [uid(), uid()]

    await trial.publish("sms", submitted(message, *parts))
    await came_to(trial, message, "SUBMITTED")
    await trial.publish("sms", receipt(parts[0]))
    await trial.publish("sms", receipt(parts[1]))
    shown = await came_to(trial, message, "DELIVERED")

    assert shown.parts == 2
    assert [pb.MessageState.Name(step.state) for step in shown.attempts] == [
        "MESSAGE_STATE_PENDING",
        "MESSAGE_STATE_SUBMITTED",
        "MESSAGE_STATE_DELIVERED",
    ]
    assert shown.HasField("receipt_time")


async def test_a_receipt_may_overtake_the_news_of_the_submission(trial: Trial) -> None:
    """It waits in the inbox and is tried again."""
    message, part = await sent(trial, uid()), uid()

    await trial.publish("sms", receipt(part))
    await trial.publish("sms", submitted(message, part))

    await came_to(trial, message, "DELIVERED")


async def test_a_later_submission_wins_over_unknown(trial: Trial) -> None:
    """The operator had it after all."""
    message = await sent(trial, uid())

    await trial.publish("sms", sms_pb2.SmsUnknown(message_id=message))
    await came_to(trial, message, "UNKNOWN")
    await trial.publish("sms", submitted(message, uid()))

    await came_to(trial, message, "SUBMITTED")


@pytest.mark.parametrize(
    ("event", "state", "reason"),
    [
        (sms_pb2.SmsRefused(reason="ESME_RINVDSTADR"), "REFUSED", "ESME_RINVDSTADR"),
        (sms_pb2.SmsUnknown(), "UNKNOWN", ""),
        (sms_pb2.SmsExpired(), "EXPIRED", ""),
    ],
)
async def test_what_was_not_submitted_says_so(trial: Trial, event: Any, state: str, reason: str) -> None:
    """And why, where the operator said why."""
    told = type(event)()
    told.CopyFrom(event)
    told.message_id = await sent(trial, uid())

    await trial.publish("sms", told)

    assert (await came_to(trial, told.message_id, state)).reason == reason


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (lambda: code(template="code.other"), "TEMPLATE_UNKNOWN"),
        (lambda: code(wrong="1"), "VALUES_WRONG"),
        (lambda: code(mobile="01012345678"), "RECIPIENT_INVALID"),
        (lambda: identity.SendMessage(template="code.sign_in", content="no json"), "CONTENT_INVALID"),
    ],
    ids=["template", "values", "recipient", "content"],
)
async def test_an_order_that_cannot_be_carried_out_is_parked_at_once(
    trial: Trial, event: Callable[[], Any], reason: str
) -> None:
    """With a reason that holds nothing of its content."""
    event_id = await trial.publish("identity", event())  # made now: a code's time runs

    async def look() -> list[str]:
        return [one.reason for one in await trial.parked() if event_id in one.parked_id]

    assert await eventually(look) == [reason]


async def test_an_amount_that_is_none_is_told_to_nobody(trial: Trial) -> None:
    """Its event is parked at once, for a person to see: a later try finds the same amount."""
    account = uid()
    await enrol(trial, account)
    due = payments.PaymentDue(payment_id=uid(), account_id=account, fee=Money(currency_code="USD", units=120))

    event_id = await trial.publish("payments", due, number=NUMBER)

    async def look() -> list[str]:
        return [one.reason for one in await trial.parked() if event_id in one.parked_id]

    assert await eventually(look) == ["MONEY_INVALID"]
    assert await of(trial, account) == []


async def test_an_order_sealed_for_nobody_is_refused(trial: Trial) -> None:
    """A plain text where a sealed one is due opens nowhere."""
    await trial.publish("identity", code(), seal=False)

    async def look() -> bool:
        return any("SEALED_FIELD_UNREADABLE" in one.reason for one in await trial.parked())

    assert await eventually(look)
