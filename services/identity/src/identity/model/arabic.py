"""Normalisation of Arabic names and digits for comparison."""

import unicodedata

# Letters that are commonly interchanged. Hamza on waw or ya distinguishes names and is kept.
_LETTERS = str.maketrans(
    {
        "أ": "ا",
        "إ": "ا",
        "آ": "ا",
        "ٱ": "ا",
        "ة": "ه",
        "ى": "ي",
        "ی": "ي",  # keyboards of other languages produce these two for the Arabic letters
        "ک": "ك",
        "ـ": None,  # tatweel only lengthens a word
    }
)
# Arabic-Indic digits and their eastern forms.
_DIGITS = str.maketrans("٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹", "01234567890123456789")
# Categories of diacritics (harakat), enclosing marks, and format characters (joiners, direction marks).
_MARKS = frozenset({"Mn", "Me", "Cf"})


def normalised(name: str) -> str:
    """One spelling for all usual spellings of a name, words separated by one blank.

    Ligatures and presentation forms are decomposed first (NFKC). The function is idempotent.
    """
    letters = unicodedata.normalize("NFKC", name).translate(_LETTERS)
    without_marks = "".join(letter for letter in letters if unicodedata.category(letter) not in _MARKS)
    # Again, because letters that were separated by marks may have a composed form.
    return " ".join(unicodedata.normalize("NFKC", without_marks).translate(_LETTERS).split())


def match_key(name: str) -> str:
    """The form for comparison of two names: normalised, without blanks.

    Compounds are written as one word or two (عبد الله and عبدالله, نور الدين and نورالدين), without a rule.
    """
    return normalised(name).replace(" ", "")


def has_letter(name: str) -> bool:
    """Whether the name has a letter after normalisation."""
    return any(unicodedata.category(letter).startswith("L") for letter in match_key(name))


def latin_digits(number: str) -> str:
    """A number with digits 0-9, without blanks and marks."""
    characters = (c for c in number.translate(_DIGITS) if unicodedata.category(c) not in _MARKS)
    return "".join("".join(characters).split())
