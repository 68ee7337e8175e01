"""Arabic names match in all their usual spellings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from identity.model.arabic import has_letter, match_key

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
    ("عبد-الله", "عبدالله"),
    ("عبد\u2011الرحمن", "عبد الرحمن"),
    ("عبد – العزيز", "عبدالعزيز"),
    ("عبدـالله", "عبد الله"),
    ("د. سامي", "د سامي"),
    ("م.أحمد.", "م احمد"),
    ("سعد'", "سعد"),
    ("رضا’", "رضا"),
    ("علاʼ", "علا"),
    ("ʿمر", "مر"),
    ("سناʾ", "سنا"),
    ("هدى`", "هدي"),
    ("محمد،", "محمد"),
    ("گمال", "جمال"),
    ("چيهان", "جيهان"),
    ("ژيهان", "جيهان"),
    ("ڤيكتور", "فيكتور"),
    ("پيتر", "بيتر"),
    ("ﭘﻴﺘﺮ", "بيتر"),
    ("ﮔﻤﺎل", "جمال"),
    ("طاہر", "طاهر"),
    ("ھدى", "هدى"),
    ("فاطمۃ", "فاطمة"),
    ("نادیہ", "نادية"),
    ("کریم", "كريم"),
    ("ڪريم", "كريم"),
    ("علے", "علي"),
    ("حسںن", "حسنن"),
    ("رؤوف", "رءوف"),
    ("و\u0654ائل", "ؤاءل"),
    ("مسئول", "مسؤول"),
    ("\u202bعائشة\u202c", "عائشه"),
    ("\u2067أمل\u2069", "امل"),
    ("عبد  \u00a0 الله", "عبدالله"),
    ("ﷴ", "محمد"),
    ("ﻻمية", "لامية"),
]
DIFFERENT = [
    ("محمد", "محمود"),
    ("هناء", "هنا"),
    ("علي", "علا"),
    ("منى", "مني ا"),
    ("سمير", "سميرة"),
    ("حسن", "حسين"),
    ("أحمد", "حمد"),
    ("سلمى", "سليم"),
    ("گمال", "كمال"),
    ("ڤادي", "وادي"),
    ("پدر", "فدر"),
    ("كريم", "قريم"),
    ("زينب", "زينة"),
    ("ژين", "زين"),
    ("طه", "تاها"),
    ("سارة", "صارة"),
    ("ضياء", "ظياء"),
    ("عمر", "عمرو"),
    ("وائل", "وايل"),
    ("شيماء", "شيما"),
    ("عبد الله", "عبد اللطيف"),
    ("هدى", "هادي"),
]

LETTERS = "ابتثجحخدذرزسشصضطظعغفقكلمنهوي"
VARIANTS = {"ا": "اأإآٱ", "ه": "هةہھۃ", "ي": "يىی", "ك": "كک", "ج": "جگچژ", "ب": "بپ", "ف": "فڤ"}
SILENT = [
    "",
    "-",
    ".",
    "'",
    "’",
    "ʼ",
    "ʿ",
    " ",
    "\u2011",
    "ـ",
    "ـــ",
    "َ",
    "ّ",
    "ْ",
    "\u200c",
    "\u200f",
    "\ufeff",
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_spellings_of_one_name_match(one: str, other: str) -> None:
    """Two usual spellings of a name have the same key."""
    assert match_key(one) == match_key(other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_different_names_do_not_match(one: str, other: str) -> None:
    """Names that differ in more than spelling have different keys."""
    assert match_key(one) != match_key(other)


@given(st.text(max_size=60))
def test_normalising_twice_changes_nothing(text: str) -> None:
    """Normalising is idempotent."""
    once = match_key(text)

    assert match_key(once) == once


@given(st.data(), st.text(alphabet=LETTERS, min_size=1, max_size=20))
def test_any_mix_of_variants_matches(data: st.DataObject, name: str) -> None:
    """Each letter may have any of its spellings, with any silent marks between."""
    typed = "".join(
        data.draw(st.sampled_from(VARIANTS.get(letter, letter))) + data.draw(st.sampled_from(SILENT))
        for letter in name
    )

    assert match_key(typed) == match_key(name)


@given(st.text(alphabet=LETTERS, min_size=1, max_size=20), st.text(alphabet=LETTERS, min_size=1, max_size=20))
def test_plain_names_match_only_themselves(one: str, other: str) -> None:
    """Keys of names with plain letters are unique."""
    assert (match_key(one) == match_key(other)) == (one == other)


@pytest.mark.parametrize("text", ["", "  ", "ـــ", "َُِ", "\u200f", "123", "."])
def test_a_text_without_letters_is_not_a_name(text: str) -> None:
    """Marks, digits and blanks alone are not a name."""
    assert not has_letter(text)
