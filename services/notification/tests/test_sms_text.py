"""The segmentation of texts, checked with the independent decoder of the sandbox."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from notification import sms_text
from sandbox.phones import Phones

LETTERS = st.text(
    st.characters(codec="utf-8", exclude_characters="\x1b", exclude_categories=["Cs"]), max_size=600
)


def received(whole: str) -> str:
    """Return the text that a phone receives."""
    phones = Phones()
    for number, part in enumerate(sms_text.parts(whole, 7)):
        udh = part.concatenated
        phones.deliver("201", "DIWAN", str(number), part.data, coding=part.data_coding, udh=udh)
    (message,) = phones.messages("201")
    return str(message["text"])


@given(LETTERS)
def test_any_text_arrives_unchanged(whole: str) -> None:
    """Texts of any characters and length are tried."""
    assert received(whole) == whole


@given(LETTERS)
def test_no_part_is_longer_than_a_message(whole: str) -> None:
    """One message holds 140 bytes: 160 septets, or 70 UCS-2 units."""
    for part in sms_text.parts(whole, 7):
        limit = 140 if part.data_coding == sms_text.UCS2 else (159 if part.concatenated else 160)
        assert len(part.data) <= limit


def test_latin_is_gsm_and_arabic_is_ucs2() -> None:
    """The characters decide the coding, and so the length of a part."""
    assert sms_text.parts("code 123456 €", 0)[0].data_coding == sms_text.GSM_DEFAULT
    assert sms_text.parts("رمز ١٢٣", 0)[0].data_coding == sms_text.UCS2


def test_boundaries() -> None:
    """160 letters need one message and 161 two; 70 Arabic letters need one and 71 two."""
    assert [sms_text.count_parts("a" * n) for n in (0, 160, 161, 304, 305)] == [1, 1, 2, 2, 3]
    assert [sms_text.count_parts("م" * n) for n in (70, 71, 132, 133)] == [1, 2, 2, 3]


def test_surrogate_pair_is_not_split() -> None:
    """A character outside the basic multilingual plane stays whole at the edge of a part."""
    parts = sms_text.parts("م" * 65 + "😀" + "م" * 10, 0)

    assert len(parts[0].data) == 7 + 65 * 2


@pytest.mark.parametrize("reference", [0, 1, 255, 256, 65_535])
def test_each_part_has_the_whole_reference(reference: int) -> None:
    """The UDH has the element of 16 bits, the number of parts and the part's own number."""
    parts = sms_text.parts("م" * 133, reference)

    assert [part.data[:7] for part in parts] == [
        bytes([6, 8, 4, *reference.to_bytes(2), 3, number]) for number in (1, 2, 3)
    ]


def test_a_part_with_its_header_has_140_bytes() -> None:
    """A part is filled: 66 Arabic letters, or 152 septets, which are 133 bytes on the air."""
    assert len(sms_text.parts("م" * 200, 0)[0].data) == 7 + 66 * 2
    assert len(sms_text.parts("a" * 200, 0)[0].data) == 7 + 152
