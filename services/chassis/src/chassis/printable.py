"""Bounds of a text from outside that is laid out and printed. Pure: models import it.

The time to lay out a text grows with the square of its longest word, and a letter with thousands of marks covers the
page. Both are errors or attacks: no name or term needs them.
"""

import unicodedata
from dataclasses import dataclass
from typing import Final

MARKS_MAX: Final = 4
"""Most marks and joiners of one letter; a vocalised Arabic letter has at most three."""
_JOINERS: Final = "\u200c\u200d"
_NAME_CATEGORIES: Final = frozenset("LMNPZ")

# Joiners are needed to shape letters. Other invisible characters are removed: they can change the direction of a text,
# so that the printed one differs from the confirmed one.
_INVISIBLE: Final = (
    *range(0x20),
    *range(0x7F, 0xA0),
    0xAD,
    0x061C,
    *range(0x200B, 0x2010),
    *range(0x2028, 0x202F),
    *range(0x2060, 0x2070),
    *range(0xD800, 0xE000),
    0xFEFF,
    *range(0xFFF0, 0xFFFC),
    *range(0xE0000, 0xE0080),
)
_VISIBLE: Final[dict[int, str | None]] = {
    code: None for code in _INVISIBLE if chr(code) not in _JOINERS
} | dict.fromkeys((0x09, 0x0A, 0x0D, 0x85, 0x2028, 0x2029), " ")


@dataclass(frozen=True)
class Bounds:
    """Bounds of a text.

    Attributes:
        letters: most letters as a reader counts them: a letter and its marks are one.
        word: most letters without a blank.
        symbols: whether signs such as emoji are allowed.
    """

    letters: int
    word: int
    symbols: bool = True


NAME: Final = Bounds(letters=200, word=40, symbols=False)
"""A person's full name."""
TERM: Final = Bounds(letters=2_000, word=100)
"""A sentence of a document."""


def visible(text: str) -> str:
    """The text without control characters, direction marks and lone surrogates; line ends are blanks."""
    return text.translate(_VISIBLE)


def fault(text: str, bounds: Bounds) -> str:
    """The first bound that a text exceeds, UPPER_SNAKE_CASE, "" if it exceeds none."""
    letters = word = marks = 0
    for character in text:
        category = unicodedata.category(character)
        if category[0] == "M" or character in _JOINERS:
            marks += 1
            if marks > MARKS_MAX:
                return "TOO_MANY_MARKS"
            continue
        if category[0] == "C":
            return "INVISIBLE_CHARACTER"
        if not bounds.symbols and category[0] not in _NAME_CATEGORIES:
            return "SYMBOL"
        letters, marks = letters + 1, 0
        word = 0 if category[0] == "Z" else word + 1
        if letters > bounds.letters:
            return "TOO_LONG"
        if word > bounds.word:
            return "WORD_TOO_LONG"
    return ""
