"""The finder of personal data finds them in every encoding, and reports nothing else."""

import base64
import json
from urllib.parse import quote

import pytest
from population import people

from .canaries import Canaries

PERSON = next(people(seed=5, count=1))
CODE = "480213"


@pytest.fixture
def canaries():
    canaries = Canaries(codes={CODE})
    canaries.add_person(PERSON)
    return canaries


def arabic(digits):
    return digits.translate({ord(str(n)): digit for n, digit in enumerate("٠١٢٣٤٥٦٧٨٩")})


def persian(digits):
    return digits.translate({ord(str(n)): digit for n, digit in enumerate("۰۱۲۳۴۵۶۷۸۹")})


NUMBERS = {
    "national ID": PERSON.national_id,
    "mobile": PERSON.mobile,
    "mobile without plus": PERSON.mobile[1:],
    "mobile as dialled": "0" + PERSON.mobile[3:],
    "mobile from abroad": "00" + PERSON.mobile[1:],
    "mobile without anything": PERSON.mobile[3:],
}
WORDS = {"name": PERSON.full_name, "address": PERSON.address}
ENCODINGS = {
    "plain": str,
    "in a sentence": lambda value: f"person {value}.",
    "after another number": lambda value: f"7 {value} 7",
    "in a path": lambda value: f"/persons/{value}/cards",
    "percent-encoded": quote,
    "percent-encoded in small letters": lambda value: quote(value).lower(),
    "with JSON's escapes": json.dumps,
    "base64": lambda value: base64.b64encode(value.encode()).decode(),
    "in base64 of a JSON": lambda value: base64.b64encode(f'{{"a": "{value}"}}'.encode()).decode(),
    "in base64url, one byte further": lambda value: base64.urlsafe_b64encode(f'{{"ab": "{value}"}}'.encode()).decode(),
    "hexadecimal": lambda value: value.encode().hex(),
    "an SMS in hexadecimal": lambda value: value.encode("utf-16-be").hex(),
    "bytes as Python shows them": lambda value: repr(f"to {value}".encode()),
    "an SMS as Python shows it": lambda value: repr(value.encode("utf-16-be")),
}  # fmt: skip
DIGITS = {
    "Arabic-Indic": arabic,
    "Persian": persian,
    "with gaps": lambda value: f"{value[:-7]}-{value[-7:-4]} {value[-4:]}",
}
SPELLINGS = {
    "with other alefs": lambda name: name.replace("ا", "أ"),
    "with tatweel": lambda name: f"{name[:2]}\u0640{name[2:]}",
    "with diacritics": lambda name: f"{name[:1]}\u064e{name[1:]}",
}


@pytest.mark.parametrize("encode", ENCODINGS.values(), ids=ENCODINGS)
@pytest.mark.parametrize("value", [*NUMBERS.values(), *WORDS.values()], ids=[*NUMBERS, *WORDS])
def test_a_datum_is_found_in_every_encoding(canaries, value, encode):
    """Programs encode texts in several ways before they write them."""
    assert canaries.find_in(f'{{"event": "{encode(value)}"}}')


@pytest.mark.parametrize("encode", DIGITS.values(), ids=DIGITS)
@pytest.mark.parametrize("value", NUMBERS.values(), ids=NUMBERS)
def test_a_number_is_found_in_other_digits(canaries, value, encode):
    """Numbers are written in three sets of digits, and in groups."""
    assert canaries.find_in(f"number {encode(value)} called")


@pytest.mark.parametrize("encode", SPELLINGS.values(), ids=SPELLINGS)
def test_a_name_is_found_in_other_spellings(canaries, encode):
    """People type names in several ways, and programs normalise them."""
    assert canaries.find_in(f"«{encode(PERSON.full_name)}»")


@pytest.mark.parametrize("text", [CODE, f"code={CODE}", f'{{"code":"{CODE}"}}', arabic(f"الرمز {CODE}.")])
def test_a_code_is_found(canaries, text):
    """A code is six digits that are not part of a longer token."""
    assert canaries.find_in(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"2026-11-22T10:00:00.{CODE}+00:00",  # a part of a second
        f'python_gc_objects_collected_total{{generation="0"}} {CODE}.0',
        f"{PERSON.national_id}7",  # another number, of more digits
        PERSON.national_id[:-1],
        "4f1c" + PERSON.mobile[3:9] + "a0",
        PERSON.first_name,
        "A text with % and \\u and 3 digits",
    ],
)
def test_nothing_else_is_found(canaries, text):
    """False alarms would make the guard useless."""
    assert canaries.find_in(text) == []
