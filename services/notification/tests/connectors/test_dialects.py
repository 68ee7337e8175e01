"""Receipts in the dialects of operators, from the sandbox's SMSC through the connector to its events."""

from typing import Any, TypeVar

import pytest
import smpp34
from chassis.key_ring import Binding
from chassis.messaging import headers
from diwan.notification.v1 import sms_pb2
from google.protobuf import json_format
from google.protobuf.message import Message
from testkit.connectors import eventually, take

from .conftest import Sms

pytestmark = pytest.mark.real

M = TypeVar("M", bound=Message)


@pytest.fixture(scope="module")
def connector_settings() -> dict[str, str]:
    """An operator with hexadecimal ids in answers and decimal ones in receipts."""
    return {"SMS_SMSC_ANSWER_ID": "hexadecimal", "SMS_SMSC_RECEIPT_ID": "decimal"}


IDS = {"answer_id": "hexadecimal", "receipt_id": "decimal"}


@pytest.mark.parametrize(
    "dialect",
    [
        {},
        {"receipt_width": 20},
        {"answer_width": 0},
        {"tlvs": False},
        {"tlvs": False, "receipt_width": 20},
        {"tlvs": False, "payload": True},
        {"tlvs": False, "text": "loose"},
        {"tlvs": False, "text": "loose", "payload": True},
        {"tlvs": False, "text": "quoting"},
        {"text": "none"},
        {"text": "free"},
    ],
    ids=lambda dialect: ",".join(f"{name}={value}" for name, value in dialect.items()) or "standard",
)
def test_receipt_names_the_part_of_the_submission(sms: Sms, dialect: dict[str, Any]) -> None:
    """Each row is a dialect; the event has the id that the submission's event has."""
    sms.operator.dialect(**IDS, **dialect)
    message_id = sms.submit("hello")

    submission, _ = hears(sms, sms_pb2.SmsSubmitted)
    receipt, _ = hears(sms, sms_pb2.SmsReceipted)

    assert (submission.message_id, receipt.message_id) == (message_id, message_id)
    assert list(submission.part_ids) == [receipt.part_id]
    assert receipt.state == sms_pb2.SMS_RECEIPT_STATE_DELIVERED


@pytest.mark.parametrize(
    ("dialect", "reason"),
    [
        ({"text": "none", "tlvs": False}, "STATE_MISSING"),
        ({"text": "free", "tlvs": False}, "STATE_MISSING"),
        ({"text": "unknown_state", "tlvs": False}, "STATE_UNKNOWN"),
        ({"receipt_id": "hexadecimal", "receipt_prefix": "x"}, "ID_MALFORMED"),
    ],
)
def test_unreadable_receipt_is_kept_and_counted(sms: Sms, dialect: dict[str, Any], reason: str) -> None:
    """It is published sealed for notification, which parks it; the log has its reason and nothing of its content."""
    line = f'diwan_sms_receipts_unreadable_total{{reason="{reason}"}}'
    before = sms.metric(line)
    sms.operator.dialect(**{**IDS, **dialect})
    sms.submit("hello")

    event, attributes = hears(sms, sms_pb2.SmsReceiptUnreadable)

    assert event.reason == reason
    assert attributes[headers.SUBJECT], "notification rejects an event without a subject"
    eventually(lambda: sms.metric(line) == before + 1)
    kind = sms_pb2.SmsReceiptUnreadable.DESCRIPTOR.full_name
    pdu = sms.side.keys.open(event.pdu, Binding(attributes[headers.ID], kind, "diwan/sms"))
    decoded = smpp34.decode(bytes.fromhex(pdu))
    assert isinstance(decoded, smpp34.DeliverSm)
    assert decoded.source_addr == sms.mobile.lstrip("+")
    log = sms.connector.log.read_text()
    assert "receipt cannot be read" in log
    assert sms.mobile.lstrip("+") not in log
    assert sms.mobile.lstrip("+").encode().hex() not in log


def test_receipt_before_the_answer_names_its_phone(sms: Sms) -> None:
    """The connector does not know the part yet: notification finds the message by the phone, which is sealed."""
    sms.operator.dialect(**IDS)
    sms.operator.faults(receipt_first=1)
    sms.submit("hello")

    receipt, attributes = hears(sms, sms_pb2.SmsReceipted)
    submission, _ = hears(sms, sms_pb2.SmsSubmitted)

    assert list(submission.part_ids) == [receipt.part_id]
    assert receipt.message_id == ""
    binding = Binding(attributes[headers.ID], sms_pb2.SmsReceipted.DESCRIPTOR.full_name, "diwan/sms")
    assert sms.side.keys.open(receipt.mobile, binding) == sms.mobile


def test_receipt_after_a_crash_names_its_phone(sms: Sms) -> None:
    """The connector that is killed before the answer leaves nothing that the next one could know the part by."""
    sms.operator.dialect(**IDS)
    sms.operator.faults(silent=1)
    sms.submit("123456", once=True)
    eventually(lambda: sms.operator.accepted == 1)
    sms.connector.kill()

    sms.connector.start()
    receipt, attributes = hears(sms, sms_pb2.SmsReceipted)

    binding = Binding(attributes[headers.ID], sms_pb2.SmsReceipted.DESCRIPTOR.full_name, "diwan/sms")
    assert sms.side.keys.open(receipt.mobile, binding) == sms.mobile


def hears(sms: Sms, kind: type[M]) -> tuple[M, dict[str, Any]]:
    """Wait for the first event of this kind since the last call for it; events of other kinds are kept."""

    def poll() -> list[tuple[M, dict[str, Any]]]:
        heard.extend(take(sms.side.broker, "notification", "notification.sms.message"))
        return [
            (json_format.Parse(body, kind()), attributes)
            for body, attributes in heard
            if attributes[headers.TYPE] == kind.DESCRIPTOR.full_name
        ]

    return eventually(poll)[0]


heard: list[tuple[bytes, dict[str, Any]]] = []


@pytest.fixture(autouse=True)
def _nothing_heard(sms: Sms) -> None:
    """Drop the events of earlier tests, the receipts of which have arrived by then."""
    take(sms.side.broker, "notification", "notification.sms.message")
    heard.clear()
