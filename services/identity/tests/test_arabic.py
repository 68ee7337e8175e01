"""Names are compared as people hear them, not as keyboards spell them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from identity.model.arabic import has_letter, latin_digits, match_key, normalised

SAME = [
    ("أحمد", "احمد"),
    ("إبراهيم", "ابراهيم"),
    ("آمنة", "امنه"),
    ("ٱلزهراء", "الزهراء"),
    ("فاطمة", "فاطمه"),
    ("مصطفى", "مصطفي"),
    ("مصطفی", "مصطفي"),
    ("محـــمد", "محمد"),
    ("مُحَمَّد", "محمد"),
    ("رَحْمٰن", "رحمن"),
    ("  محمد   علي ", "محمد علي"),
    ("محمد\u00a0علي", "محمد علي"),
    ("عبد الله", "عبدالله"),
    ("عبد\u200cالله", "عبدالله"),
    ("نور الدين", "نورالدين"),
    ("أبو بكر", "ابوبكر"),
    ("\u200fسعيد\u200e", "سعيد"),
    ("\ufeffسعيد", "سعيد"),
    ("ﺳﻌﻴﺪ", "سعيد"),
    ("عبد ﷲ", "عبد الله"),
    ("ا\u0654حمد", "احمد"),
    ("الا\u0653ء", "الآء"),
]
DIFFERENT = [("محمد", "محمود"), ("هناء", "هنا"), ("علي", "علا"), ("منى", "مني ا"), ("سمير", "سميرة")]

LETTERS = "ابتثجحخدذرزسشصضطظعغفقكلمنهوي"
VARIANTS = {"ا": "اأإآٱ", "ه": "هة", "ي": "يىی", "ك": "كک"}
SILENT = ["", "ـ", "ـــ", "َ", "ّ", "ْ", "\u200c", "\u200f", "\ufeff"]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_spellings_of_one_name_match(one: str, other: str) -> None:
    """Two usual spellings of one name have one key."""
    assert match_key(one) == match_key(other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_other_names_do_not_match(one: str, other: str) -> None:
    """Names that differ in more than spelling stay apart."""
    assert match_key(one) != match_key(other)


@given(st.text(max_size=60))
def test_normalising_twice_changes_nothing(text: str) -> None:
    """What is normal stays so."""
    once = normalised(text)

    assert normalised(once) == once
    assert match_key(once) == match_key(text)


@given(st.data(), st.text(alphabet=LETTERS, min_size=1, max_size=20))
def test_any_mix_of_variants_matches(data: st.DataObject, name: str) -> None:
    """Each letter in any of its spellings, with any silent marks between, is the same name."""
    typed = "".join(
        data.draw(st.sampled_from(VARIANTS.get(letter, letter))) + data.draw(st.sampled_from(SILENT))
        for letter in name
    )

    assert match_key(typed) == match_key(name)


@given(st.text(alphabet=LETTERS, min_size=1, max_size=20), st.text(alphabet=LETTERS, min_size=1, max_size=20))
def test_plain_names_match_only_themselves(one: str, other: str) -> None:
    """Names of plain letters lose nothing."""
    assert (match_key(one) == match_key(other)) == (one == other)


@pytest.mark.parametrize("nothing", ["", "  ", "ـــ", "َُِ", "\u200f", "123", "."])
def test_a_name_without_letters_is_none(nothing: str) -> None:
    """Marks, digits and blanks are no name."""
    assert not has_letter(nothing)


@pytest.mark.parametrize(
    ("typed", "digits"),
    [("٢٩٠٠١٠١", "2900101"), ("۲۹", "29"), ("2 90 0101", "2900101"), ("\u200f29\u200e", "29"), ("29", "29")],
)
def test_digits_of_all_keyboards(typed: str, digits: str) -> None:
    """Arabic-Indic digits are digits, blanks and marks are not."""
    assert latin_digits(typed) == digits
