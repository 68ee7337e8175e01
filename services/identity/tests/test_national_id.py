"""Parsing of national IDs: 14 digits with century, birth date, governorate and serial."""

from datetime import UTC, date, datetime, timedelta

import pytest
from chassis.times import cairo_day
from hypothesis import given
from hypothesis import strategies as st
from identity.model.errors import NationalIdInvalid
from identity.model.national_id import BORN_ABROAD, GOVERNORATES, NationalId, weighted_mod_11

TODAY = cairo_day(datetime.now(UTC))
PLACES = sorted({*GOVERNORATES, BORN_ABROAD})


@st.composite
def national_ids(draw: st.DrawFn) -> tuple[str, date]:
    born = draw(st.dates(min_value=date(1900, 1, 1), max_value=TODAY))
    place = draw(st.sampled_from(PLACES))
    serial = draw(st.integers(0, 9999))
    century = "2" if born.year < 2000 else "3"
    return f"{century}{born:%y%m%d}{place}{serial:04d}{draw(st.integers(0, 9))}", born


@given(national_ids())
def test_every_well_formed_number_is_parsed(generated: tuple[str, date]) -> None:
    """The birth date is the encoded one, and all digits are kept."""
    digits, born = generated

    parsed = NationalId.parse(digits, today=TODAY)

    assert (parsed.birth_date, parsed.digits) == (born, digits)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "structure"),
        ("2900101011234", "structure"),
        ("290010101123456", "structure"),
        ("2900101011234x", "structure"),
        ("2900101011234²", "structure"),
        ("19001010112345", "century"),
        ("49001010112345", "century"),
        ("29002300112345", "birth_date"),
        ("29013010112345", "birth_date"),
        ("29100290112345", "birth_date"),
        ("39912310112345", "birth_date"),
        ("29001010512345", "governorate"),
        ("29001019912345", "governorate"),
        ("29001010012345", "governorate"),
    ],
)
def test_the_refusal_names_the_invalid_part(text: str, part: str) -> None:
    """It does not contain the digits."""
    with pytest.raises(NationalIdInvalid) as refused:
        NationalId.parse(text, today=TODAY)

    assert refused.value.metadata == {"part": part}
    assert not text or text not in str(refused.value)


def test_a_leap_day_is_valid_only_in_a_leap_year() -> None:
    """2000 was a leap year, 1900 was not."""
    assert NationalId.parse("30002290112345", today=TODAY).birth_date == date(2000, 2, 29)

    with pytest.raises(NationalIdInvalid):
        NationalId.parse("20002290112345", today=TODAY)


def test_a_birth_date_in_the_future_is_refused() -> None:
    """The argument `today` decides."""
    tomorrow = f"3{TODAY + timedelta(days=1):%y%m%d}0112345"

    with pytest.raises(NationalIdInvalid):
        NationalId.parse(tomorrow, today=TODAY)
    assert NationalId.parse(tomorrow, today=TODAY + timedelta(days=1))


def test_digits_of_another_script_are_no_national_id() -> None:
    """Requests and records are normalised before; a second reading of them here could differ from the first."""
    with pytest.raises(NationalIdInvalid):
        NationalId.parse("٢٩٠٠١٠١٠١١٢٣٤٥", today=TODAY)


@given(national_ids())
def test_the_check_digit_rule_is_optional(generated: tuple[str, date]) -> None:
    """With the rule exactly one last digit is valid; without it all are."""
    stem = generated[0][:13]

    valid = [digit for digit in "0123456789" if weighted_mod_11(stem + digit)]

    assert len(valid) == 1
    wrong = stem + str((int(valid[0]) + 1) % 10)
    assert NationalId.parse(wrong, today=TODAY)
    with pytest.raises(NationalIdInvalid):
        NationalId.parse(wrong, today=TODAY, rule=weighted_mod_11)


def test_the_repr_hides_the_digits() -> None:
    """A log line with the object contains no number."""
    assert "2900101" not in repr(NationalId.parse("29001010112345", today=TODAY))
