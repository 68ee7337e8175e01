"""Parsing of delivery receipts: optional parameters, or the text of appendix B of SMPP 3.4."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

import smpp34
from chassis import times
from diwan.notification.v1 import sms_pb2

ESM_RECEIPT: Final = 0x04
TLV_RECEIPTED_MESSAGE_ID: Final = 0x001E
TLV_MESSAGE_STATE: Final = 0x0427

_STATES: Final = {
    2: sms_pb2.SMS_RECEIPT_STATE_DELIVERED,
    3: sms_pb2.SMS_RECEIPT_STATE_EXPIRED,
    4: sms_pb2.SMS_RECEIPT_STATE_UNDELIVERED,
    5: sms_pb2.SMS_RECEIPT_STATE_UNDELIVERED,
    7: sms_pb2.SMS_RECEIPT_STATE_UNDELIVERED,
    8: sms_pb2.SMS_RECEIPT_STATE_UNDELIVERED,
}
_WORDS: Final = {"DELIVRD": 2, "EXPIRED": 3, "DELETED": 4, "UNDELIV": 5, "UNKNOWN": 7, "REJECTD": 8}
_FIELD: Final = re.compile(rb"(id|stat|done date):(\S+)")


@dataclass(frozen=True)
class Receipt:
    """The final state of one part; `time` is RFC 3339 or empty."""

    part_id: str
    state: sms_pb2.SmsReceiptState.ValueType
    time: str


def parse_receipt(pdu: smpp34.DeliverSm, utc_offset_hours: int = 0) -> Receipt | None:
    """Parse a `deliver_sm`; None when it is no receipt, or one of an intermediate state."""
    if not pdu.esm_class & ESM_RECEIPT:
        return None
    fields = {
        key.decode(): value.decode("ascii", "replace") for key, value in _FIELD.findall(pdu.short_message)
    }
    part_id, state = fields.get("id", ""), _WORDS.get(fields.get("stat", ""))
    for tlv in pdu.tlvs:
        if tlv.tag == TLV_RECEIPTED_MESSAGE_ID:
            part_id = tlv.as_string() or part_id
        elif tlv.tag == TLV_MESSAGE_STATE:
            state = tlv.as_int()
    if not part_id or state not in _STATES:
        return None
    return Receipt(part_id, _STATES[state], _time(fields.get("done date", ""), utc_offset_hours))


def _time(text: str, utc_offset_hours: int) -> str:
    """RFC 3339 of `YYMMDDhhmm`, with or without seconds, in the operator's zone; empty if malformed."""
    time_format = {10: "%y%m%d%H%M", 12: "%y%m%d%H%M%S"}.get(len(text))
    try:
        local = datetime.strptime(text, time_format) if time_format else None  # noqa: DTZ007 -- the zone is set below
    except ValueError:
        return ""
    if local is None:
        return ""
    return times.format_time(
        local.replace(tzinfo=timezone(timedelta(hours=utc_offset_hours))).astimezone(UTC)
    )
