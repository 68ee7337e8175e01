"""Reading of delivery receipts in the dialects of operators.

SMPP 3.4 leaves the form of a receipt to the operator. Its appendix B gives an example of a text; section 5.3.2 has
optional parameters (TLVs) for the same. Operators differ in where they put what, in case and blanks, and in the form
of message ids: hexadecimal in the answer and decimal in the receipt, or padded (jasmin #20, #24, #1034, #1129; vumi
PR 330; naz #82).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Final, Literal

import smpp34
from chassis import times
from diwan.notification.v1 import sms_pb2

ESM_TYPE_MASK: Final = 0x3C
ESM_RECEIPT: Final = 0x04
ESM_INTERMEDIATE: Final = 0x20
UCS2: Final = 0x08
TLV_RECEIPTED_MESSAGE_ID: Final = 0x001E
TLV_MESSAGE_PAYLOAD: Final = 0x0424
TLV_MESSAGE_STATE: Final = 0x0427
TEXT_BYTES_MAX: Final = 1_024
PART_ID_MAX: Final = 65
"""Longest message id of SMPP 3.4."""

_STATES: Final = {
    2: sms_pb2.SMS_RECEIPT_STATE_DELIVERED,
    3: sms_pb2.SMS_RECEIPT_STATE_EXPIRED,
    4: sms_pb2.SMS_RECEIPT_STATE_UNDELIVERED,
    5: sms_pb2.SMS_RECEIPT_STATE_UNDELIVERED,
    7: sms_pb2.SMS_RECEIPT_STATE_UNDELIVERED,
    8: sms_pb2.SMS_RECEIPT_STATE_UNDELIVERED,
}
_NOT_FINAL: Final = frozenset({0, 1, 6})  # SCHEDULED of SMPP 5, ENROUTE, ACCEPTED
# The seven letters of appendix B; operators write some words in full.
_WORDS: Final = {
    "SCHEDUL": 0,
    "ENROUTE": 1,
    "DELIVRD": 2,
    "DELIVER": 2,
    "EXPIRED": 3,
    "DELETED": 4,
    "UNDELIV": 5,
    "FAILED": 5,
    "ACCEPTD": 6,
    "ACCEPTE": 6,
    "UNKNOWN": 7,
    "REJECTD": 8,
    "REJECTE": 8,
}
_FIELD: Final = re.compile(r"(?<![\w-])(id|stat|done[ _]?date)\s*:\s*([^\s:]+)(?=\s|$)", re.IGNORECASE)
_FREE_TEXT: Final = re.compile(r"(?<![\w-])text\s*:", re.IGNORECASE)


IdForm = Literal["exact", "any-case", "decimal", "hexadecimal"]
"""Form of the operator's message ids in one place: the answer to a submission, or a receipt."""

RADIX: Final[Mapping[IdForm, int]] = {"decimal": 10, "hexadecimal": 16}
_DIGITS: Final = {10: re.compile(r"[0-9]+"), 16: re.compile(r"(?:0[xX])?[0-9A-Fa-f]+")}


class Unreadable(Exception):
    """A receipt cannot be read; the text is the reason, such as `ID_MISSING`."""


@dataclass(frozen=True)
class Dialect:
    """An operator's way to write receipts.

    Attributes:
        answer_id: form of the ids in the answers to submissions.
        receipt_id: form of the ids in receipts.
        utc_offset_hours: UTC offset of the times in receipts.
    """

    answer_id: IdForm = "exact"
    receipt_id: IdForm = "exact"
    utc_offset_hours: int = 0


@dataclass(frozen=True)
class Receipt:
    """The final state of one part; `time` is RFC 3339 or empty, `mobile` E.164 or empty."""

    part_id: str
    state: sms_pb2.SmsReceiptState.ValueType
    time: str
    mobile: str


def read_part_id(text: str, form: IdForm) -> str:
    """The id in the one form in which answers and receipts are compared: numbers are decimal without padding.

    Raises:
        ValueError: the text has another form, or is longer than SMPP allows.
    """
    text = text.strip(" \t\r\n\0")
    if not 0 < len(text) <= PART_ID_MAX:
        raise ValueError("no message id")
    radix = RADIX.get(form)
    if radix is None:
        return text.lower() if form == "any-case" else text
    if not _DIGITS[radix].fullmatch(text):
        raise ValueError(f"the message id is not {form}")
    return str(int(text, radix))


def parse_receipt(pdu: smpp34.DeliverSm, dialect: Dialect) -> Receipt | None:
    """Read a `deliver_sm`; None if it is a person's SMS or states no final state.

    Raises:
        Unreadable: it is a receipt, but its id or state is missing or malformed.
    """
    tlvs = {tlv.tag: tlv for tlv in pdu.tlvs}
    kind = pdu.esm_class & ESM_TYPE_MASK
    # A text alone does not make a receipt: a person could send one. Each of the two TLVs comes from the SMSC only.
    of_smsc = kind == ESM_RECEIPT or not tlvs.keys().isdisjoint((TLV_RECEIPTED_MESSAGE_ID, TLV_MESSAGE_STATE))
    if kind == ESM_INTERMEDIATE or not of_smsc:
        return None
    fields = _fields(_text(pdu, tlvs))
    state = _state(tlvs, fields)
    if state in _NOT_FINAL:
        return None
    if state not in _STATES:
        raise Unreadable("STATE_UNKNOWN")
    return Receipt(
        _part_id(tlvs, fields, dialect.receipt_id),
        _STATES[state],
        _time(fields.get("donedate", ""), dialect.utc_offset_hours),
        _mobile(pdu.source_addr),
    )


def _text(pdu: smpp34.DeliverSm, tlvs: Mapping[int, smpp34.Tlv]) -> str:
    """The receipt's text, from `short_message` or from `message_payload`."""
    payload = tlvs.get(TLV_MESSAGE_PAYLOAD)
    data = pdu.short_message or (bytes(payload.value) if payload else b"")
    coding = "utf-16-be" if pdu.data_coding == UCS2 else "latin-1"
    return bytes(data[:TEXT_BYTES_MAX]).decode(coding, "replace")


def _fields(text: str) -> Mapping[str, str]:
    """The fields before the free text, which may itself contain `id:`; the first of each name counts."""
    fields: dict[str, str] = {}
    for name, value in _FIELD.findall(_FREE_TEXT.split(text, maxsplit=1)[0]):
        fields.setdefault(name.lower().replace(" ", "").replace("_", ""), value)
    return fields


def _state(tlvs: Mapping[int, smpp34.Tlv], fields: Mapping[str, str]) -> int | None:
    """The number of the state, None if it is unknown; TLVs precede the text."""
    if TLV_MESSAGE_STATE in tlvs:
        return tlvs[TLV_MESSAGE_STATE].as_int()
    if "stat" not in fields:
        raise Unreadable("STATE_MISSING")
    return _WORDS.get(fields["stat"].upper()[:7])


def _part_id(tlvs: Mapping[int, smpp34.Tlv], fields: Mapping[str, str], form: IdForm) -> str:
    """The id; if both the TLV and the text have one, the TLV's unless only the text's has the form."""
    tlv = tlvs.get(TLV_RECEIPTED_MESSAGE_ID)
    candidates = [text for text in (tlv.as_string() if tlv else "", fields.get("id", "")) if text]
    for text in candidates:
        try:
            return read_part_id(text, form)
        except ValueError:
            continue
    raise Unreadable("ID_MALFORMED" if candidates else "ID_MISSING")


def _mobile(address: str) -> str:
    """The phone's number in E.164, empty if the address is not an international number."""
    digits = address.strip().removeprefix("+").removeprefix("00")
    return f"+{digits}" if re.fullmatch(r"[1-9][0-9]{7,14}", digits) else ""


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
