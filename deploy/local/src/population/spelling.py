"""Spelling variants of Arabic names."""

from collections.abc import Iterator

ALEFS = "اأإآ"
TATWEEL = "\u0640"
FATHA, DAMMA, SHADDA = "\u064e", "\u064f", "\u0651"
_JOINS_NEXT = set("بتثجحخسشصضطظعغفقكلمنهيئ")


def spelling_variants(name: str) -> Iterator[str]:
    """Yield other spellings of `name` for the same person, each once.

    The most frequent come first: alef with another hamza or none, ta marbuta and ha, alef maqsura and ya at the end of
    a word, then tatweel, diacritics and blanks. A name that is not empty has at least one.
    """
    seen = {name}
    for variant in _candidates(name):
        if variant not in seen:
            seen.add(variant)
            yield variant


def _candidates(name: str) -> Iterator[str]:
    for alef in ALEFS:
        yield "".join(alef if letter in ALEFS else letter for letter in name)
    for here, there in (("ة", "ه"), ("ه", "ة"), ("ى", "ي"), ("ي", "ى")):
        yield _at_word_ends(name, here, there)
    yield _all_together(name)
    if not name.strip():
        return
    yield _after_joining(name, TATWEEL)
    yield _diacritics(name)
    yield name.replace(" ", "  ")
    yield f" {name}  "


def _at_word_ends(name: str, here: str, there: str) -> str:
    return " ".join(word[:-1] + there if word.endswith(here) else word for word in name.split(" "))


def _all_together(name: str) -> str:
    plain = "".join("ا" if letter in ALEFS else letter for letter in name)
    return _at_word_ends(_at_word_ends(plain, "ة", "ه"), "ى", "ي")


def _after_joining(name: str, mark: str) -> str:
    for at, letter in enumerate(name[:-1]):
        if letter in _JOINS_NEXT and name[at + 1] != " ":
            return name[: at + 1] + mark + name[at + 1 :]
    return name


def _diacritics(name: str) -> str:
    marks = (FATHA, DAMMA, SHADDA)
    return "".join(
        letter + marks[at % len(marks)] if letter.isalpha() and letter not in ALEFS else letter
        for at, letter in enumerate(name)
    )
