"""Finds known personal data in text, in plain and in every encoding that a program may apply."""

import base64
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import unquote_plus

from population import Person

_DIGITS = {ord(digit): str(n) for digits in ("٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹") for n, digit in enumerate(digits)}
_LETTERS = {**dict.fromkeys(map(ord, "أإآ"), "ا"), ord("ة"): "ه", ord("ى"): "ي"}
_MARKS = dict.fromkeys((0x640, *range(0x64B, 0x653)))
_FOLDED = str.maketrans({**_DIGITS, **_LETTERS, **_MARKS})
_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")
_GAP = re.compile(r"(?<=\d)[ \-](?=\d)")
_RUN = re.compile(r"\d{10,}")
_CODE = re.compile(r"(?<![\w.])\d{6}(?!\w|\.\d)")
_DIALLED = ("", "0", "20", "0020")
_MINIMUM_LENGTH = 10  # bytes; the base64 of anything shorter would match by chance
_CONTEXT_CHARACTERS = 40


@dataclass(frozen=True)
class Finding:
    """A personal datum in a text: its kind, and the place with some context."""

    kind: str
    context: str


@dataclass
class Canaries:
    """The personal data to look for.

    Attributes:
        numbers: national IDs and mobiles (10 digits, without +20), with the kind of each.
        words: names, addresses, tokens and other texts, with the kind of each.
        codes: one-time codes, six digits.
        encoded_numbers: the numbers of the persons used: these are also looked for in encodings.
    """

    numbers: dict[str, str] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)
    codes: set[str] = field(default_factory=set)
    encoded_numbers: dict[str, str] = field(default_factory=dict)

    def add_numbers(self, people: Iterable[Person]) -> None:
        """Add the numbers of persons, used or not."""
        for person in people:
            self.numbers[person.national_id] = "national ID"
            if person.mobile:
                self.numbers[person.mobile.removeprefix("+20")] = "mobile"

    def add_person(self, person: Person) -> None:
        """Add the numbers, the full name and the address of a person used."""
        self.add_numbers([person])
        numbers = (person.national_id, person.mobile.removeprefix("+20"))
        self.encoded_numbers |= {number: self.numbers[number] for number in numbers}
        self.words[person.full_name] = "full name"
        self.words[person.address] = "address"

    def find_in(self, text: str) -> list[Finding]:
        """Return every canary in a text, plain or encoded."""
        findings = [Finding(f"{kind}, encoded", needle) for needle, kind in self._encoded if needle in text]
        for view in dict.fromkeys(_views(text)):
            findings += self._plain(view)
        return findings

    def _plain(self, view: str) -> Iterator[Finding]:
        for text in {view, _GAP.sub("", view)}:  # a gap may also be between two numbers
            for run in _RUN.finditer(text):
                if kind := self._numbers.get(run.group()):
                    yield Finding(kind, run.group())
        for code in _CODE.finditer(view):
            if code.group() in self.codes:
                yield Finding("one-time code", view[max(0, code.start() - _CONTEXT_CHARACTERS) : code.end()])
        for word, kind in self.words.items():
            place = view.find(word.translate(_FOLDED))
            if place >= 0:
                yield Finding(kind, view[max(0, place - _CONTEXT_CHARACTERS) : place + _CONTEXT_CHARACTERS])

    @cached_property
    def _numbers(self) -> dict[str, str]:
        dialled = {
            prefix + number: kind
            for number, kind in self.numbers.items()
            if kind == "mobile"
            for prefix in _DIALLED
        }
        return self.numbers | dialled

    @cached_property
    def _encoded(self) -> list[tuple[str, str]]:
        values = {**self.words, **self.encoded_numbers}
        return [(needle, kind) for value, kind in values.items() for needle in _encodings(value)]


def _views(text: str) -> Iterator[str]:
    """Yield the text as it is, percent-decoded and JSON-unescaped, with letters and digits folded."""
    yield text.translate(_FOLDED)
    if "%" in text:
        yield unquote_plus(text).translate(_FOLDED)
    if "\\u" in text:
        yield _ESCAPED.sub(lambda match: chr(int(match.group(1), 16)), text).translate(_FOLDED)


def _encodings(value: str) -> set[str]:
    """Return a value in base64 at any offset, in hexadecimal, and as the repr of Python's bytes."""
    needles: set[str] = set()
    for raw in (value.encode(), value.encode("utf-16-be")):
        needles |= {raw.hex(), raw.hex().upper()}
        if not raw.isascii() or b"\0" in raw:
            needles.add(repr(raw)[2:-1])
        if len(raw) >= _MINIMUM_LENGTH:
            for offset, lost in ((0, 0), (1, 2), (2, 3)):
                whole = (offset + len(raw)) * 8 // 6
                for encode in (base64.b64encode, base64.urlsafe_b64encode):
                    needles.add(encode(b"\0" * offset + raw).decode()[lost:whole])
    return needles
