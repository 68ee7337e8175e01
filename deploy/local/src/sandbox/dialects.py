"""The ways in which operators write delivery receipts, for the sandbox's SMSC."""

from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

import smpp34

DELIVERED, UNDELIVERABLE = 2, 5
RECEIPTED_MESSAGE_ID, MESSAGE_PAYLOAD, MESSAGE_STATE = 0x001E, 0x0424, 0x0427

_WORDS = {DELIVERED: "DELIVRD", UNDELIVERABLE: "UNDELIV"}
_TEXTS = {
    "standard": "id:{id} sub:001 dlvrd:001 submit date:{at} done date:{at} stat:{word} err:000 text:",
    # The free text quotes another receipt.
    "quoting": "id:{id} sub:001 dlvrd:001 submit date:{at} done date:{at} stat:{word} err:000 Text:id:1 stat:REJECTD",
    "loose": "ID: {id}  SUB: 001  Dlvrd: 001  Submit_Date: {at}  Done_Date: {at}  Stat: {full}  Err: 0",
    "none": "",
    # Neither id nor state; with TLVs readable all the same.
    "free": "Your message (id:77) was handled",
    "unknown_state": "id:{id} stat:PERHAPS err:000",
}
_FULL_WORDS = {DELIVERED: "delivered", UNDELIVERABLE: "undeliverable"}
_FORMS = {"hexadecimal": "x", "decimal": "d"}


@dataclass(frozen=True)
class Receipt:
    """A delivery receipt for the system that submitted the part, whose id is a number."""

    system_id: str
    part: int
    source: str
    destination: str
    state: int


@dataclass(frozen=True)
class Dialect:
    """An operator's form of receipts.

    Attributes:
        answer_id: form of ids in answers: "hexadecimal" or "decimal".
        receipt_id: form of ids in receipts.
        answer_width: minimum of digits of an id in an answer.
        receipt_width: minimum of digits of an id in a receipt.
        receipt_prefix: precedes an id in a receipt.
        upper: hexadecimal digits in receipts are upper case.
        text: key of `_TEXTS`.
        payload: the text is in the TLV message_payload instead of short_message.
        tlvs: the TLVs receipted_message_id and message_state are sent.
    """

    answer_id: str = "hexadecimal"
    receipt_id: str = "hexadecimal"
    answer_width: int = 16
    receipt_width: int = 16
    receipt_prefix: str = ""
    upper: bool = False
    text: str = "standard"
    payload: bool = False
    tlvs: bool = True

    @classmethod
    def of(cls, values: dict[str, Any]) -> "Dialect":
        """The dialect with these values and the defaults; ValueError for another name or form."""
        if not values.keys() <= {one.name for one in fields(cls)}:
            raise ValueError("a dialect has no such field")
        dialect = cls(**values)
        if dialect.text not in _TEXTS or not {dialect.answer_id, dialect.receipt_id} <= _FORMS.keys():
            raise ValueError("a dialect has no such value")
        return dialect

    def answer(self, part: int) -> str:
        """The id of a part in the answer to its submission."""
        return f"{part:0{self.answer_width}{_FORMS[self.answer_id]}}"

    def receipt(self, receipt: Receipt, sequence: int) -> bytes:
        """The `deliver_sm` PDU of a receipt."""
        part_id = f"{receipt.part:0{self.receipt_width}{_FORMS[self.receipt_id]}}"
        part_id = self.receipt_prefix + (part_id.upper() if self.upper else part_id)
        text = (
            _TEXTS[self.text]
            .format(
                id=part_id,
                at=datetime.now(UTC).strftime("%y%m%d%H%M%S"),
                word=_WORDS[receipt.state],
                full=_FULL_WORDS[receipt.state],
            )
            .encode()
        )
        tlvs = [smpp34.Tlv(MESSAGE_PAYLOAD, text)] if self.payload else []
        if self.tlvs:
            tlvs += [
                smpp34.Tlv(RECEIPTED_MESSAGE_ID, part_id.encode() + b"\0"),
                smpp34.Tlv(MESSAGE_STATE, bytes([receipt.state])),
            ]
        return smpp34.DeliverSm(
            receipt.source,
            receipt.destination,
            b"" if self.payload else text,
            esm_class=0x04,
            tlvs=tlvs,
            sequence_number=sequence,
        ).encode()
