"""Finds personal data in text, in whatever dress: the values are known, so nothing is guessed."""

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
_LONG_ENOUGH = 10  # bytes; the base64 of anything shorter is found by chance
_AROUND = 40


@dataclass(frozen=True)
class Found:
    """A personal datum in a text: what it is, and where."""

    what: str
    where: str


@dataclass
class Canaries:
    """What must not be found.

    Attributes:
        numbers: national IDs and mobiles (10 digits, without +20), each with what it is.
        words: names, addresses, tokens and other texts, each with what it is.
        codes: one-time codes, six digits.
        acted: the numbers of those who acted: they are looked for encoded, too.
    """

    numbers: dict[str, str] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)
    codes: set[str] = field(default_factory=set)
    acted: dict[str, str] = field(default_factory=dict)

    def add_numbers(self, people: Iterable[Person]) -> None:
        """Watch for the numbers of persons who may never have acted."""
        for person in people:
            self.numbers[person.national_id] = "national ID"
            if person.mobile:
                self.numbers[person.mobile.removeprefix("+20")] = "mobile"

    def add_person(self, person: Person) -> None:
        """Watch for the numbers, the full name and the address of a person who acted."""
        self.add_numbers([person])
        own = (person.national_id, person.mobile.removeprefix("+20"))
        self.acted |= {number: self.numbers[number] for number in own}
        self.words[person.full_name] = "full name"
        self.words[person.address] = "address"

    def found_in(self, text: str) -> list[Found]:
        """Every canary in a text, plain or in disguise."""
        found = [Found(f"{what}, encoded", needle) for needle, what in self._encoded if needle in text]
        for view in dict.fromkeys(_views(text)):
            found += self._plain(view)
        return found

    def _plain(self, view: str) -> Iterator[Found]:
        for text in {view, _GAP.sub("", view)}:  # a gap may also be between two numbers
            for run in _RUN.finditer(text):
                if what := self._numbers.get(run.group()):
                    yield Found(what, run.group())
        for code in _CODE.finditer(view):
            if code.group() in self.codes:
                yield Found("one-time code", view[max(0, code.start() - _AROUND) : code.end()])
        for word, what in self.words.items():
            place = view.find(word.translate(_FOLDED))
            if place >= 0:
                yield Found(what, view[max(0, place - _AROUND) : place + _AROUND])

    @cached_property
    def _numbers(self) -> dict[str, str]:
        dialled = {
            prefix + number: what
            for number, what in self.numbers.items()
            if what == "mobile"
            for prefix in _DIALLED
        }
        return self.numbers | dialled

    @cached_property
    def _encoded(self) -> list[tuple[str, str]]:
        values = {**self.words, **self.acted}
        return [(needle, what) for value, what in values.items() for needle in _encodings(value)]


def _views(text: str) -> Iterator[str]:
    """The text, and what it says once percent-encoding or JSON's escapes are undone, letters and digits folded."""
    yield text.translate(_FOLDED)
    if "%" in text:
        yield unquote_plus(text).translate(_FOLDED)
    if "\\u" in text:
        yield _ESCAPED.sub(lambda found: chr(int(found.group(1), 16)), text).translate(_FOLDED)


def _encodings(value: str) -> set[str]:
    """What a value looks like inside base64 at any offset, as hexadecimal, or as Python shows bytes."""
    needles: set[str] = set()
    for raw in (value.encode(), value.encode("utf-16-be")):
        needles |= {raw.hex(), raw.hex().upper()}
        if not raw.isascii() or b"\0" in raw:
            needles.add(repr(raw)[2:-1])
        if len(raw) >= _LONG_ENOUGH:
            for offset, lost in ((0, 0), (1, 2), (2, 3)):
                whole = (offset + len(raw)) * 8 // 6
                for encode in (base64.b64encode, base64.urlsafe_b64encode):
                    needles.add(encode(b"\0" * offset + raw).decode()[lost:whole])
    return needles
