"""Arabic names and digits as people type them, brought to one form in which they can be compared."""

import unicodedata

# Letters that people write for one another. Hamza on waw or ya changes names and is left alone.
_LETTERS = str.maketrans(
    {
        "أ": "ا",
        "إ": "ا",
        "آ": "ا",
        "ٱ": "ا",
        "ة": "ه",
        "ى": "ي",
        "ی": "ي",  # keyboards of other languages write these two for the Arabic letters
        "ک": "ك",
        "ـ": None,  # tatweel stretches, it says nothing
    }
)
# Arabic-Indic digits and their eastern forms.
_DIGITS = str.maketrans("٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹", "01234567890123456789")
# Harakat and their kin, enclosing marks, and what has no width (joiners, direction, byte order).
_SILENT = frozenset({"Mn", "Me", "Cf"})


def normalised(name: str) -> str:
    """One spelling for all of a name's usual spellings, its words apart by one blank.

    Ligatures and presentation forms are taken apart first (NFKC). Doing it twice changes nothing.
    """
    letters = unicodedata.normalize("NFKC", name).translate(_LETTERS)
    heard = "".join(letter for letter in letters if unicodedata.category(letter) not in _SILENT)
    # Without the marks, letters may stand together that have a composed form.
    return " ".join(unicodedata.normalize("NFKC", heard).translate(_LETTERS).split())


def match_key(name: str) -> str:
    """The form in which two names are compared: normalised, and without blanks.

    Compounds are written joined or apart (عبد الله and عبدالله, نور الدين and نورالدين), with no rule which.
    """
    return normalised(name).replace(" ", "")


def has_letter(name: str) -> bool:
    """Whether anything is left to compare."""
    return any(unicodedata.category(letter).startswith("L") for letter in match_key(name))


def latin_digits(number: str) -> str:
    """A number with its digits as 0-9, without blanks and without marks that have no width."""
    kept = (sign for sign in number.translate(_DIGITS) if unicodedata.category(sign) not in _SILENT)
    return "".join("".join(kept).split())
