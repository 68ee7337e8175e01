"""The SMS connector against a real broker and SMSC."""

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

pytestmark = pytest.mark.real

ARABIC = "تم إصدار التوكيل رقم ١٢٣٤، ويمكنكم استلامه من مكتب توثيق الدقي. " * 4


def forge(sms: Sms, user: str) -> None:
    """Put a command on the queue as somebody who never had it from notification."""
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
    """What is told of this text; what is told of an earlier test's may still be coming."""
    return sms.side.hears(sms_pb2.SmsSubmitted, lambda said: said.message_id == message_id, within_seconds)


def test_long_arabic_text_arrives_whole(sms: Sms) -> None:
    """An Arabic text of several parts is one text on the phone, and one event names its parts."""
    message_id = sms.submit(ARABIC, correlationid="R-1")

    said, told = submitted(sms, message_id)

    (shown,) = sms.operator.inbox(sms.mobile)
    assert shown["text"] == ARABIC
    assert shown["from"] == "DIWAN"
    assert list(said.part_ids) == shown["parts"]
    assert len(said.part_ids) == 4
    assert told[headers.SOURCE] == "diwan/sms"
    assert told["user_id"] == "sms"
    assert told[headers.CORRELATION] == "R-1"


def test_receipt_becomes_an_event(sms: Sms) -> None:
    """The operator's receipt names the part, its state and its time."""
    sms.submit("Your code is 123456")

    (shown,) = eventually(lambda: sms.operator.inbox(sms.mobile))
    # Another test's receipts may still be coming.
    said, told = sms.side.hears(sms_pb2.SmsReceipted, lambda said: said.part_id == shown["parts"][0])

    assert said.state == sms_pb2.SMS_RECEIPT_STATE_DELIVERED
    assert abs(times.parse_time(said.receipt_time) - datetime.now(UTC)) < timedelta(minutes=1)
    assert told[headers.SUBJECT] == said.part_id


def test_receipt_of_an_unreachable_phone_says_so(sms: Sms) -> None:
    """A part that was taken and not delivered is receipted as undelivered."""
    sms.operator.faults(undeliverable=[sms.mobile])
    sms.submit("hello")

    undelivered = sms_pb2.SMS_RECEIPT_STATE_UNDELIVERED
    assert sms.side.hears(sms_pb2.SmsReceipted, lambda said: said.state == undelivered)


def test_throttled_text_is_sent_later(sms: Sms) -> None:
    """A text that the operator would not take now goes through the retry queue, and arrives once."""
    sms.operator.faults(throttle=1)
    message_id = sms.submit("hello", once=True)

    submitted(sms, message_id)

    assert [shown["text"] for shown in sms.operator.inbox(sms.mobile)] == ["hello"]
    labels = 'outcome="retry",queue="sms.notification.message",reason="ESME_RTHROTTLED"'
    assert sms.metric(f"diwan_connector_deliveries_total{{{labels}}}") >= 1


def test_retry_submits_only_the_missing_parts(sms: Sms) -> None:
    """A text throttled between its parts is not begun again from the first."""
    sms.operator.faults(throttle_at=3)
    message_id = sms.submit(ARABIC)

    said, _ = submitted(sms, message_id)

    (shown,) = sms.operator.inbox(sms.mobile)
    assert shown["text"] == ARABIC
    assert list(said.part_ids) == shown["parts"]
    assert sms.operator.taken == 4


def test_refused_number_is_refused(sms: Sms) -> None:
    """A number that the operator does not know is refused with its status, and not tried again."""
    sms.operator.faults(refuse=[sms.mobile])
    message_id = sms.submit("hello")

    said, _ = sms.side.hears(sms_pb2.SmsRefused)

    assert (said.message_id, said.reason) == (message_id, "ESME_RINVDSTADR")
    assert sms.operator.taken == 0


def test_expired_text_is_not_submitted(sms: Sms) -> None:
    """A text whose time has passed is told of and not sent."""
    message_id = sms.submit("late", expire_time=times.format_time(datetime.now(UTC) - timedelta(seconds=1)))

    said, _ = sms.side.hears(sms_pb2.SmsExpired)

    assert said.message_id == message_id
    assert sms.operator.inbox(sms.mobile) == []


def test_code_whose_answer_is_lost_is_unknown(sms: Sms) -> None:
    """The bind breaks after the submit of a code: it is told as unknown, not submitted again, and the bind returns."""
    sms.operator.faults(drop_after_submit=1)
    message_id = sms.submit("123456", once=True)

    said, _ = sms.side.hears(sms_pb2.SmsUnknown)

    assert said.message_id == message_id
    sms.connector.wait_ready()
    time.sleep(1.5)
    assert sms.operator.taken == 1


def test_text_whose_answer_is_lost_is_submitted_again(sms: Sms) -> None:
    """What is no code is worth sending twice rather than never."""
    sms.operator.faults(drop_after_submit=1)
    message_id = sms.submit("hello")

    submitted(sms, message_id)

    assert sms.operator.taken == 2


def test_code_is_not_submitted_again_after_a_crash(sms: Sms) -> None:
    """The connector is killed between submit and answer of a code: the next one tells unknown and submits nothing."""
    sms.operator.faults(silent=1)
    message_id = sms.submit("123456", once=True)
    eventually(lambda: sms.operator.taken == 1)
    sms.connector.kill()

    sms.connector.start()

    said, _ = sms.side.hears(sms_pb2.SmsUnknown)
    assert said.message_id == message_id
    assert sms.operator.taken == 1


def test_command_published_twice_is_submitted_once(sms: Sms) -> None:
    """A relay that repeats itself sends one code."""
    event_id = "6f0c7d3e-54a5-4a39-9f5d-0d4d7f6b2a11"
    message_id = sms.submit("123456", once=True, event_id=event_id)
    sms.submit("123456", once=True, event_id=event_id)

    submitted(sms, message_id)

    time.sleep(0.5)
    assert sms.operator.taken == 1


def test_command_that_hides_its_user_is_parked(sms: Sms) -> None:
    """A command that does not say who published it is parked and not submitted."""
    sms.submit("forged", user="nobody")

    ((_, told),) = eventually(lambda: take(sms.side.broker, "operator", PARKED))

    assert told["diwan-reason"] == "USER_MISSING"
    assert sms.operator.taken == 0


def test_command_of_another_user_is_parked(sms: Sms) -> None:
    """Who may write the retry exchange still cannot pass a command off as notification's."""
    forge(sms, "sms")

    ((_, told),) = eventually(lambda: take(sms.side.broker, "operator", PARKED))

    assert told["diwan-reason"] in {"USER_FOREIGN", "USER_MISSING"}
    assert sms.operator.taken == 0


def test_smsc_that_was_away_gets_what_waited(sms: Sms) -> None:
    """While there is no SMSC nothing is read; once it is back, what waited is sent."""
    sms.operator.program.kill()
    eventually(lambda: sms.metric("diwan_sms_bound") == 0)
    message_id = sms.submit("hello")
    sms.operator.program.start()

    assert submitted(sms, message_id)


def test_broker_that_was_away_is_found_again(sms: Sms) -> None:
    """The broker goes and comes back: the connector goes on, and nothing is sent twice."""
    submitted(sms, sms.submit("before"))
    with sms.side.broker.away():
        pass

    submitted(sms, sms.submit("after"), 60)

    assert [shown["text"] for shown in sms.operator.inbox(sms.mobile)] == ["before", "after"]


def test_sigterm_finishes_what_is_in_hand(sms: Sms) -> None:
    """What was read when SIGTERM came is submitted and told of, once; the rest stays on its queue."""
    ids = {sms.submit(f"text {number}") for number in range(40)}

    assert sms.connector.stop() == 0

    told = {said.message_id for said, _ in sms.side.heard(sms_pb2.SmsSubmitted)}
    assert len(told) == sms.operator.taken
    sms.connector.start()
    eventually(lambda: len(sms.operator.inbox(sms.mobile)) == len(ids))
    assert sms.operator.taken == len(ids)


def test_no_personal_datum_is_logged(sms: Sms) -> None:
    """Neither number nor text is in the connector's log, though everything went wrong once."""
    sms.operator.faults(throttle=1, drop_after_submit=1)
    submitted(sms, sms.submit("a very secret text"))

    log = sms.connector.log.read_text()
    assert "attempt failed" in log
    assert sms.mobile.lstrip("+") not in log
    assert "secret text" not in log


TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def test_trace_goes_on_to_the_receipt(sms: Sms) -> None:
    """What is said of a text, and its receipt, belong to the trace in which it was asked for."""
    event_id = str(uuid.uuid4())
    sms.submit("hello", event_id=event_id, traceparent=f"00-{TRACE}-00f067aa0ba902b7-01")
    heard: dict[str, str] = {}

    def both() -> bool:
        ours = take(sms.side.broker, "notification", "notification.sms.message")
        for told in (told for _, told in ours if told.get(headers.CAUSATION) == event_id):
            heard[told[headers.TYPE].rpartition(".")[2]] = told["traceparent"].split("-")[1]
        return len(heard) == 2

    eventually(both)

    assert heard == {"SmsSubmitted": TRACE, "SmsReceipted": TRACE}


def test_later_try_is_a_trace_of_its_own(sms: Sms) -> None:
    """What came of a retry is not stretched into the trace of the first try."""
    sms.operator.faults(throttle=1)
    message_id = sms.submit("hello", traceparent=f"00-{TRACE}-00f067aa0ba902b7-01")

    _, told = submitted(sms, message_id)

    assert told["traceparent"].split("-")[1] != TRACE
