"""How texts are cut, read back by the sandbox's own decoder, which shares no line with ours."""

import smpp34
from diwan.notification.v1 import sms_pb2
from hypothesis import given
from hypothesis import strategies as st
from notification.connectors.sms import status, text
from notification.connectors.sms.receipts import parse_receipt
from sandbox.phones import Phones

LETTERS = st.text(
    st.characters(codec="utf-8", exclude_characters="\x1b", exclude_categories=["Cs"]), max_size=600
)


def shown(whole: str) -> str:
    """What a phone shows of a text."""
    phones = Phones()
    for number, part in enumerate(text.parts(whole, 7)):
        udh = part.concatenated
        phones.deliver("201", "DIWAN", str(number), part.data, coding=part.data_coding, udh=udh)
    (message,) = phones.messages("201")
    return str(message["text"])


@given(LETTERS)
def test_any_text_reads_back(whole: str) -> None:
    """Whatever its letters and length, the phone shows what was written."""
    assert shown(whole) == whole


@given(LETTERS)
def test_no_part_is_longer_than_a_message(whole: str) -> None:
    """140 bytes is what one message holds: 160 septets, or 70 units of UCS-2."""
    for part in text.parts(whole, 7):
        limit = 140 if part.data_coding == text.UCS2 else (159 if part.concatenated else 160)
        assert len(part.data) <= limit


def test_latin_is_gsm_and_arabic_is_ucs2() -> None:
    """The alphabet decides the coding, and so the length of a part."""
    assert text.parts("code 123456 €", 0)[0].data_coding == text.GSM_DEFAULT
    assert text.parts("رمز ١٢٣", 0)[0].data_coding == text.UCS2


def test_boundaries() -> None:
    """160 letters are one message, 161 are two; 70 Arabic letters are one, 71 two."""
    assert [text.count_parts("a" * n) for n in (0, 160, 161, 306, 307)] == [1, 1, 2, 2, 3]
    assert [text.count_parts("م" * n) for n in (70, 71, 134, 135)] == [1, 2, 2, 3]


def test_letter_of_two_units_is_not_parted() -> None:
    """A letter outside the basic plane stays whole at the edge of a part."""
    parts = text.parts("م" * 66 + "😀" + "م" * 10, 0)

    assert len(parts[0].data) == 6 + 66 * 2


def test_throttling_is_later_and_a_bad_number_is_not() -> None:
    """Only what the operator did not take for now is tried again."""
    assert status.is_temporary(0x58)
    assert status.is_temporary(0x14)
    assert not status.is_temporary(0x0B)
    assert not status.is_temporary(0x45)


def test_receipt_in_text_alone_is_read() -> None:
    """An operator who sends no optional parameters is understood by the text of appendix B, in its own zone."""
    words = b"id:abc sub:001 dlvrd:001 submit date:2611221200 done date:2611221205 stat:EXPIRED err:000 text:"

    said = parse_receipt(smpp34.DeliverSm("1", "2", words, esm_class=4), utc_offset_hours=2)

    assert said is not None
    assert (said.part_id, said.state) == ("abc", sms_pb2.SMS_RECEIPT_STATE_EXPIRED)
    assert said.time == "2026-11-22T10:05:00Z"


def test_state_on_the_way_is_no_receipt() -> None:
    """ENROUTE and ACCEPTD settle nothing; neither does a message of a person."""
    words = b"id:abc done date:2611221205 stat:ACCEPTD err:000"

    assert parse_receipt(smpp34.DeliverSm("1", "2", words, esm_class=4)) is None
    assert parse_receipt(smpp34.DeliverSm("1", "2", b"stat:DELIVRD id:abc")) is None
