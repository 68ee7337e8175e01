"""Bounds of texts that are laid out and printed."""

import pytest
from chassis.printable import MARKS_MAX, NAME, TERM, fault, visible

FITTING = [
    "أحمد محمود إبراهيم الشافعي",
    "مُحَمَّد عبد الله",
    "Jean-Pierre O'Neil",
    "محمد السيد ٢",
    "م\u200cن",
    "آ" * NAME.word,
    "م" + "\u064e" * MARKS_MAX,
    "مم " * (NAME.letters // 3),
]
UNFIT = [
    ("م" * 1_200, "WORD_TOO_LONG"),
    ("م" * (NAME.word + 1), "WORD_TOO_LONG"),
    ("مَ" * (NAME.word + 1), "WORD_TOO_LONG"),
    ("م " * NAME.letters, "TOO_LONG"),
    ("م" + "\u064e" * 5_000, "TOO_MANY_MARKS"),
    ("م" + "\u0301" * (MARKS_MAX + 1), "TOO_MANY_MARKS"),
    ("م" + "\u200d" * 1_000 + "ن", "TOO_MANY_MARKS"),
    ("محمد 😀", "SYMBOL"),
    ("👨\u200d👩\u200d👧", "SYMBOL"),
    ("محمد\u202eعلي", "INVISIBLE_CHARACTER"),
    ("محمد\u2066علي", "INVISIBLE_CHARACTER"),
    ("محمد\x00", "INVISIBLE_CHARACTER"),
    ("محمد\ue000", "INVISIBLE_CHARACTER"),
]


@pytest.mark.parametrize("text", FITTING)
def test_a_usual_name_fits(text):
    """Marks and joiners are no letters; Latin names and digits occur."""
    assert fault(text, NAME) == ""


@pytest.mark.parametrize(("text", "why"), UNFIT)
def test_what_cannot_be_printed_is_named(text, why):
    """The text itself is not part of the answer."""
    assert fault(text, NAME) == why


def test_a_sentence_may_be_longer_and_have_symbols():
    """It has bounds of its own."""
    assert fault("بيع الشقة © " * 100, TERM) == ""
    assert fault("م" * (TERM.word + 1), TERM) == "WORD_TOO_LONG"


def test_invisible_characters_are_removed():
    """Overrides could show another text than the confirmed one; joiners, which shape letters, are kept."""
    text = "\u202e" + "ليكولل" + "\u202c\u2066\n\u200f\u200bم\u200cن\x00\x1b\ud800"

    assert visible(text) == "ليكولل م\u200cن"
    assert fault(visible(text), NAME) == ""
