"""The SMS connector with a real broker and a sandbox SMSC."""

import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pika
import pytest
from chassis import times
from chassis.messaging import headers
from diwan.notification.v1 import sms_pb2
from testkit.connectors import eventually, take

from .conftest import Sms

pytestmark = [pytest.mark.real, pytest.mark.process]

ARABIC = "تم إصدار التوكيل رقم ١٢٣٤، ويمكنكم استلامه من مكتب توثيق الدقي. " * 4


def forge(sms: Sms, user: str) -> None:
    """Put a command on the queue as a user other than notification."""
    with sms.side.broker.connect(user) as connection:
        channel = connection.channel()
        properties = pika.BasicProperties(
            user_id=user, headers={"cloudEvents_id": "forged", "diwan-user": user}
        )
        channel.basic_publish("sms.retry", "sms.notification.message", b"{}", properties)


PARKED = "sms.notification.message.parked"


def submitted(
    sms: Sms, message_id: str, within_seconds: float = 30
) -> tuple[sms_pb2.SmsSubmitted, dict[str, Any]]:
    """Return the SmsSubmitted of this text with its headers; skip late events of earlier tests."""
    return sms.side.hears(sms_pb2.SmsSubmitted, lambda event: event.message_id == message_id, within_seconds)


def test_long_arabic_text_arrives_whole(sms: Sms) -> None:
    """An Arabic text of several parts is one text on the phone, and one event lists its parts."""
    message_id = sms.submit(ARABIC, correlationid="R-1")

    event, event_headers = submitted(sms, message_id)

    (received,) = sms.operator.inbox(sms.mobile)
    assert received["text"] == ARABIC
    assert received["from"] == "DIWAN"
    assert list(event.part_ids) == received["parts"]
    assert len(event.part_ids) == 4
    assert event_headers[headers.SOURCE] == "diwan/sms"
    assert event_headers["user_id"] == "sms"
    assert event_headers[headers.CORRELATION] == "R-1"


def test_receipt_becomes_an_event(sms: Sms) -> None:
    """The event holds the part, its state and its time."""
    message_id = sms.submit("Your code is 123456")

    (received,) = eventually(lambda: sms.operator.inbox(sms.mobile))
    # Receipts of earlier tests may still arrive.
    event, event_headers = sms.side.hears(
        sms_pb2.SmsReceipted, lambda event: event.part_id == received["parts"][0]
    )

    assert event.state == sms_pb2.SMS_RECEIPT_STATE_DELIVERED
    assert abs(times.parse_time(event.receipt_time) - datetime.now(UTC)) < timedelta(minutes=1)
    assert event_headers[headers.SUBJECT] == event.part_id
    assert event.message_id == message_id
    assert not event.mobile


def test_receipt_of_an_unreachable_phone_is_undelivered(sms: Sms) -> None:
    """A part can be accepted by the operator and not be delivered."""
    sms.operator.faults(undeliverable=[sms.mobile])
    sms.submit("hello")

    undelivered = sms_pb2.SMS_RECEIPT_STATE_UNDELIVERED
    assert sms.side.hears(sms_pb2.SmsReceipted, lambda event: event.state == undelivered)


def test_throttled_text_is_sent_later(sms: Sms) -> None:
    """A throttled text passes through the retry queue and arrives once."""
    sms.operator.faults(throttle=1)
    message_id = sms.submit("hello", once=True)

    submitted(sms, message_id)

    assert [received["text"] for received in sms.operator.inbox(sms.mobile)] == ["hello"]
    labels = 'outcome="retry",queue="sms.notification.message",reason="ESME_RTHROTTLED"'
    assert sms.metric(f"diwan_connector_deliveries_total{{{labels}}}") >= 1


def test_retry_submits_only_the_missing_parts(sms: Sms) -> None:
    """A text throttled between its parts continues with the next part."""
    sms.operator.faults(throttle_at=3)
    message_id = sms.submit(ARABIC)

    event, _ = submitted(sms, message_id)

    (received,) = sms.operator.inbox(sms.mobile)
    assert received["text"] == ARABIC
    assert list(event.part_ids) == received["parts"]
    assert sms.operator.accepted == 4


def test_refused_number_is_refused(sms: Sms) -> None:
    """A number unknown to the operator is refused with the operator's status, and not retried."""
    sms.operator.faults(refuse=[sms.mobile])
    message_id = sms.submit("hello")

    event, _ = sms.side.hears(sms_pb2.SmsRefused)

    assert (event.message_id, event.reason) == (message_id, "ESME_RINVDSTADR")
    assert sms.operator.accepted == 0


def test_expired_text_is_not_submitted(sms: Sms) -> None:
    """A text whose time has passed is told of and not sent."""
    message_id = sms.submit("late", expire_time=times.format_time(datetime.now(UTC) - timedelta(seconds=1)))

    event, _ = sms.side.hears(sms_pb2.SmsExpired)

    assert event.message_id == message_id
    assert sms.operator.inbox(sms.mobile) == []


def test_code_whose_answer_is_lost_is_unknown(sms: Sms) -> None:
    """When the connection breaks after the submit of a code, it is reported as unknown and not submitted again."""
    sms.operator.faults(drop_after_submit=1)
    message_id = sms.submit("123456", once=True)

    event, _ = sms.side.hears(sms_pb2.SmsUnknown)

    assert event.message_id == message_id
    sms.connector.wait_ready()
    time.sleep(1.5)
    assert sms.operator.accepted == 1


def test_text_whose_answer_is_lost_is_submitted_again(sms: Sms) -> None:
    """A text that is not a code may rather be sent twice than never."""
    sms.operator.faults(drop_after_submit=1)
    message_id = sms.submit("hello")

    submitted(sms, message_id)

    assert sms.operator.accepted == 2


def test_code_is_not_submitted_again_after_a_crash(sms: Sms) -> None:
    """When the connector is killed between submit and answer, the next one reports unknown and submits nothing."""
    sms.operator.faults(silent=1)
    message_id = sms.submit("123456", once=True)
    eventually(lambda: sms.operator.accepted == 1)
    sms.connector.kill()

    sms.connector.start()

    event, _ = sms.side.hears(sms_pb2.SmsUnknown)
    assert event.message_id == message_id
    assert sms.operator.accepted == 1


def test_command_published_twice_is_submitted_once(sms: Sms) -> None:
    """A command that the relay repeats sends one code."""
    event_id = "6f0c7d3e-54a5-4a39-9f5d-0d4d7f6b2a11"
    message_id = sms.submit("123456", once=True, event_id=event_id)
    sms.submit("123456", once=True, event_id=event_id)

    submitted(sms, message_id)

    time.sleep(0.5)
    assert sms.operator.accepted == 1


def test_command_without_its_user_is_parked(sms: Sms) -> None:
    """A command without `user_id` is not submitted."""
    sms.submit("forged", user="nobody")

    ((_, parked),) = eventually(lambda: take(sms.side.broker, "operator", PARKED))

    assert parked["diwan-reason"] == "USER_MISSING"
    assert sms.operator.accepted == 0


def test_command_of_another_user_is_parked(sms: Sms) -> None:
    """A user with write access to the retry exchange cannot forge a command of notification."""
    forge(sms, "sms")

    ((_, parked),) = eventually(lambda: take(sms.side.broker, "operator", PARKED))

    assert parked["diwan-reason"] in {"USER_FOREIGN", "USER_MISSING"}
    assert sms.operator.accepted == 0


def test_texts_wait_while_the_smsc_is_away(sms: Sms) -> None:
    """Without a bind the connector consumes nothing; after the bind it sends the waiting texts."""
    sms.operator.program.kill()
    eventually(lambda: sms.metric("diwan_sms_bound") == 0)
    message_id = sms.submit("hello")
    sms.operator.program.start()

    assert submitted(sms, message_id)


def test_connector_reconnects_to_the_broker(sms: Sms) -> None:
    """After an outage of the broker the connector continues, and sends nothing twice."""
    submitted(sms, sms.submit("before"))
    with sms.side.broker.away():
        pass

    submitted(sms, sms.submit("after"), 60)

    assert [received["text"] for received in sms.operator.inbox(sms.mobile)] == ["before", "after"]


def test_sigterm_finishes_the_deliveries_in_progress(sms: Sms) -> None:
    """Deliveries in progress at SIGTERM are submitted and reported once; the others stay in the queue."""
    ids = {sms.submit(f"text {number}") for number in range(40)}

    sms.connector.stop()

    reported = {event.message_id for event, _ in sms.side.heard(sms_pb2.SmsSubmitted)}
    assert len(reported) == sms.operator.accepted
    sms.connector.start()
    eventually(lambda: len(sms.operator.inbox(sms.mobile)) == len(ids))
    assert sms.operator.accepted == len(ids)


def test_no_personal_datum_is_logged(sms: Sms) -> None:
    """Neither number nor text is in the connector's log, even after failures."""
    sms.operator.faults(throttle=1, drop_after_submit=1)
    submitted(sms, sms.submit("a very secret text"))

    log = sms.connector.log.read_text()
    assert "attempt failed" in log
    assert sms.mobile.lstrip("+") not in log
    assert "secret text" not in log


TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def test_trace_includes_the_receipt(sms: Sms) -> None:
    """The events of a text and of its receipt belong to the trace of its command."""
    event_id = str(uuid.uuid4())
    sms.submit("hello", event_id=event_id, traceparent=f"00-{TRACE}-00f067aa0ba902b7-01")
    traces: dict[str, str] = {}

    def both() -> bool:
        messages = take(sms.side.broker, "notification", "notification.sms.message")
        for attributes in (each for _, each in messages if each.get(headers.CAUSATION) == event_id):
            event_type = attributes[headers.TYPE].rpartition(".")[2]
            traces[event_type] = attributes["traceparent"].split("-")[1]
        return len(traces) == 2

    eventually(both)

    assert traces == {"SmsSubmitted": TRACE, "SmsReceipted": TRACE}


def test_retry_has_its_own_trace(sms: Sms) -> None:
    """The result of a retry does not belong to the trace of the first attempt."""
    sms.operator.faults(throttle=1)
    message_id = sms.submit("hello", traceparent=f"00-{TRACE}-00f067aa0ba902b7-01")

    _, event_headers = submitted(sms, message_id)

    assert event_headers["traceparent"].split("-")[1] != TRACE
