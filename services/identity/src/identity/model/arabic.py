"""Comparison of Arabic names in all their usual spellings. The names themselves are stored and printed unchanged."""

import unicodedata

# One letter for letters that are written for each other. Each row: the letter, and what people type for it in Egypt.
_ROWS = (
    ("ا", "أإآٱٲٳ"),
    # The seat of a hamza is a matter of orthography (رؤوف and رءوف); the hamza itself distinguishes هناء and هنا.
    ("ء", "ؤئ"),
    ("ه", "ةہھەۀۂۃ"),
    ("ي", "ىیېۍے"),
    ("ك", "کڪ"),
    ("ن", "ں"),
    # Sounds without a letter in Arabic, as Egyptians spell them: [g] and [ʒ] with jim (جمال, جيهان), not with kaf or
    # zay as elsewhere; [p] with ba, [v] with fa.
    ("ج", "گچژ"),
    ("ب", "پ"),
    ("ف", "ڤ"),
)
_LETTERS = str.maketrans({variant: letter for letter, variants in _ROWS for variant in variants})
# Diacritics (Mn), enclosing marks (Me), joiners and direction marks (Cf), modifiers such as tatweel and ʿ (Lm), accents
# used as apostrophes (Sk), and all punctuation (P): hyphens, dots, apostrophes.
_SILENT = frozenset({"Mn", "Me", "Cf", "Lm", "Sk"})


def match_key(name: str) -> str:
    """The form for comparison of two names: one letter for its variants, no blanks, marks and punctuation.

    Compounds are written as one word, as two, or with a hyphen (عبدالله, عبد الله, عبد-الله), without a rule. Ligatures
    and presentation forms are decomposed (NFKC). The function is idempotent.
    """
    letters = unicodedata.normalize("NFKC", name)
    # Twice, because letters that a mark separated may have a composed form.
    return _plain(unicodedata.normalize("NFKC", _plain(letters)))


def has_letter(name: str) -> bool:
    """Whether the name has a letter."""
    return any(unicodedata.category(letter).startswith("L") for letter in match_key(name))


def _plain(text: str) -> str:
    return "".join("".join(letter for letter in text.translate(_LETTERS) if not _is_silent(letter)).split())


def _is_silent(letter: str) -> bool:
    category = unicodedata.category(letter)
    return category in _SILENT or category.startswith("P") or letter == "\N{MINUS SIGN}"
