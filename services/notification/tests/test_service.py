"""Notification from outside: events in, sealed commands to the SMS connector out, message states by RPC."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from diwan.identity.v1 import events_pb2 as identity
from diwan.notary.v1 import events_pb2 as notary
from diwan.notification.v1 import notification_pb2 as pb
from diwan.notification.v1 import sms_pb2
from diwan.payments.v1 import events_pb2 as payments
from google.protobuf import json_format
from google.type.money_pb2 import Money
from testkit.service import Trial, eventually

from .desk import (
    COMMANDS,
    MOBILE,
    NUMBER,
    await_state,
    code_command,
    enrol,
    messages_of,
    phone,
    receipt,
    send_code,
    submit_command,
    submitted,
    uid,
)

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]


async def test_a_code_is_sealed_for_the_connector_and_not_stored(trial: Trial) -> None:
    """Only the connector can read number and text; the stored message has template and state."""
    account = uid()

    await trial.publish("identity", code_command(account))
    command, content = await submit_command(trial, account)

    assert (command.once, content.mobile) == (True, MOBILE)
    assert "123456" in content.text
    assert content.text.startswith("ديوان")
    listed = (await messages_of(trial, account))[0]
    assert (listed.message_id, listed.template) == (command.message_id, "code.sign_in")
    assert pb.MessageState.Name(listed.state) == "MESSAGE_STATE_PENDING"
    stored = await stored_documents(trial)
    assert "123456" not in stored
    assert MOBILE not in stored


async def stored_documents(trial: Trial) -> str:
    """Return the repr of all documents of the store except contacts."""
    import pymongo

    settings = trial.env.settings

    def read() -> str:
        with pymongo.MongoClient[dict[str, Any]](settings.store_uri) as client:
            database = client[settings.store_database]
            names = [name for name in database.list_collection_names() if name != "contacts"]
            return repr([list(database[name].find()) for name in names])

    return await asyncio.to_thread(read)


async def test_a_message_goes_to_the_contact_of_the_enrolment(trial: Trial) -> None:
    """It is in the language of the contact; the order of the two events does not matter."""
    account = uid()

    await trial.publish("identity", code_command(account, mobile=""))
    await enrol(trial, account, "en")
    _, content = await submit_command(trial, account)

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
async def test_each_step_sends_a_message_to_its_account(
    trial: Trial, user: str, event: Any, template: str, words: list[str]
) -> None:
    """Each row is an event with its template and values; the text holds the request number too."""
    account = uid()
    await enrol(trial, account)
    own_event = type(event)()
    own_event.CopyFrom(event)
    setattr(own_event, "account_id" if user == "payments" else "principal_account_id", account)

    await trial.publish(user, own_event, number=NUMBER)
    command, content = await submit_command(trial, account)

    assert command.once is False
    for word in [NUMBER, *words]:
        assert word in content.text
    listed = (await messages_of(trial, account))[0]
    assert (listed.template, listed.request_number) == (template, NUMBER)


async def test_one_event_creates_one_message(trial: Trial) -> None:
    """Repeated deliveries have no second effect."""
    account, event_id = uid(), uid()
    await enrol(trial, account)
    event = payments.PaymentRefused(account_id=account, reason="DECLINED")

    for _ in range(3):
        await trial.publish("payments", event, subject=account, number=NUMBER, event_id=event_id)
    message, _ = await submit_command(trial, account)
    more = await trial.all_taken(COMMANDS, sms_pb2.SubmitSms, 1, within_seconds=2)

    assert [one.message_id for one in await messages_of(trial, account)] == [message.message_id]
    assert message.message_id not in [one.message_id for one in more]


async def test_a_message_is_delivered_with_the_receipts_of_all_parts(trial: Trial) -> None:
    """Its attempts list each state."""
    message = await send_code(trial, uid())
    parts = [uid(), uid()]

    await trial.publish("sms", submitted(message, *parts))
    await await_state(trial, message, "SUBMITTED")
    await trial.publish("sms", receipt(parts[0]))
    await trial.publish("sms", receipt(parts[1]))
    delivered = await await_state(trial, message, "DELIVERED")

    assert delivered.parts == 2
    assert [pb.MessageState.Name(step.state) for step in delivered.attempts] == [
        "MESSAGE_STATE_PENDING",
        "MESSAGE_STATE_SUBMITTED",
        "MESSAGE_STATE_DELIVERED",
    ]
    assert delivered.HasField("receipt_time")


async def test_long_texts_to_one_phone_have_references_in_sequence(trial: Trial) -> None:
    """The accounts may differ; a repeated event allocates none, and a short text has none."""
    mobile, event_ids = phone(), [uid() for _ in range(5)]
    for account in (accounts := [uid(), uid()]):
        contact = identity.Contact(mobile=mobile)
        await trial.publish(
            "identity",
            identity.AccountEnrolled(account_id=account, contact=json_format.MessageToJson(contact)),
        )
    references: dict[str, int] = {}
    for number, event_id in enumerate(event_ids):
        event = payments.PaymentSettled(account_id=accounts[number % 2], amount=PAID)
        for _ in range(2):
            await trial.publish("payments", event, number=NUMBER, event_id=event_id, subject=accounts[0])
        command = await trial.taken(
            COMMANDS,
            sms_pb2.SubmitSms,
            lambda one: mobile in one.content and one.message_id not in references,
        )
        content = json_format.Parse(command.content, sms_pb2.SmsContent())
        references[command.message_id] = content.reference

    assert list(references.values()) == [0, 1, 2, 3, 4]
    await enrol(trial, account := uid(), "en")
    await trial.publish("payments", payments.PaymentSettled(account_id=account, amount=PAID), number=NUMBER)
    _, short = await submit_command(trial, account)
    assert not short.HasField("reference")


async def test_a_later_submission_wins_over_unknown(trial: Trial) -> None:
    """The operator did accept the message."""
    message = await send_code(trial, uid())

    await trial.publish("sms", sms_pb2.SmsUnknown(message_id=message))
    await await_state(trial, message, "UNKNOWN")
    await trial.publish("sms", submitted(message, uid()))

    await await_state(trial, message, "SUBMITTED")


@pytest.mark.parametrize(
    ("event", "state", "reason"),
    [
        (sms_pb2.SmsRefused(reason="ESME_RINVDSTADR"), "REFUSED", "ESME_RINVDSTADR"),
        (sms_pb2.SmsUnknown(), "UNKNOWN", ""),
        (sms_pb2.SmsExpired(), "EXPIRED", ""),
    ],
)
async def test_an_unsuccessful_submission_sets_the_state(
    trial: Trial, event: Any, state: str, reason: str
) -> None:
    """The message keeps the operator's reason if there is one."""
    own_event = type(event)()
    own_event.CopyFrom(event)
    own_event.message_id = await send_code(trial, uid())

    await trial.publish("sms", own_event)

    assert (await await_state(trial, own_event.message_id, state)).reason == reason


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (lambda: code_command(template="code.other"), "TEMPLATE_UNKNOWN"),
        (lambda: code_command(wrong="1"), "VALUES_WRONG"),
        (lambda: code_command(mobile="01012345678"), "RECIPIENT_INVALID"),
        (lambda: identity.SendMessage(template="code.sign_in", content="no json"), "CONTENT_INVALID"),
    ],
    ids=["template", "values", "recipient", "content"],
)
async def test_an_invalid_command_is_parked_at_once(
    trial: Trial, event: Callable[[], Any], reason: str
) -> None:
    """The reason contains nothing of its content."""
    event_id = await trial.publish("identity", event())  # created now, because a code expires

    async def poll() -> list[str]:
        return [one.reason for one in await trial.parked() if event_id in one.parked_id]

    assert await eventually(poll) == [reason]


async def test_an_event_with_an_invalid_amount_is_parked_at_once(trial: Trial) -> None:
    """No message is created; a retry would fail in the same way."""
    account = uid()
    await enrol(trial, account)
    due = payments.PaymentDue(payment_id=uid(), account_id=account, fee=Money(currency_code="USD", units=120))

    event_id = await trial.publish("payments", due, number=NUMBER)

    async def poll() -> list[str]:
        return [one.reason for one in await trial.parked() if event_id in one.parked_id]

    assert await eventually(poll) == ["MONEY_INVALID"]
    assert await messages_of(trial, account) == []


async def test_an_unsealed_command_is_refused(trial: Trial) -> None:
    """A plain text in a sealed field cannot be opened."""
    await trial.publish("identity", code_command(), seal=False)

    async def poll() -> bool:
        return any("SEALED_FIELD_UNREADABLE" in one.reason for one in await trial.parked())

    assert await eventually(poll)
