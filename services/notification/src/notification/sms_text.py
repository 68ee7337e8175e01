"""Encoding of texts: GSM 7-bit if that alphabet has all letters, UCS-2 otherwise; long texts split with a UDH.

The UDH has a reference of 16 bits (3GPP TS 23.040, 9.2.3.24.8). With the eight bits of 9.2.3.24.1 the references of one
phone are used up by 256 texts, fewer than may wait for it after an outage, and a part that an operator still holds
would soon meet another text with its reference. The price is one letter in each part.
"""

import struct
from dataclasses import dataclass
from typing import Final

GSM_DEFAULT: Final = 0x00
UCS2: Final = 0x08

_BASIC: Final = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_ESCAPED: Final = {
    "\f": 0x0A,
    "^": 0x14,
    "{": 0x28,
    "}": 0x29,
    "\\": 0x2F,
    "[": 0x3C,
    "~": 0x3D,
    "]": 0x3E,
    "|": 0x40,
    "€": 0x65,
}
_ESCAPE: Final = 0x1B
_SEPTETS: Final = {letter: bytes([code]) for code, letter in enumerate(_BASIC) if letter != "\x1b"} | {
    letter: bytes([_ESCAPE, code]) for letter, code in _ESCAPED.items()
}

REFERENCES: Final = 0x10000
"""Number of concatenation references."""

_UDH = struct.Struct(">BBBHBB")
_CONCATENATED_16_BIT: Final = 0x08

# Capacity of a single message, and of a part with a UDH of seven bytes: septets, or bytes of UCS-2.
_SINGLE: Final = {GSM_DEFAULT: 160, UCS2: 140}
_CONCATENATED: Final = {GSM_DEFAULT: 152, UCS2: 132}


@dataclass(frozen=True)
class Part:
    """One short message: its bytes, preceded by the UDH if `concatenated`."""

    data: bytes
    data_coding: int
    concatenated: bool


def parts(text: str, reference: int) -> list[Part]:
    """Split a text into short messages; an empty text is one empty message.

    Args:
        text: as the phone displays it.
        reference: 0..65535, concatenation reference of the text's parts; the same for each attempt.
    """
    letters = [_SEPTETS.get(letter) for letter in text]
    if all(letter is not None for letter in letters):
        coding, units = GSM_DEFAULT, [letter for letter in letters if letter is not None]
    else:
        # A letter outside the basic plane has two units, which must stay in one part: encoded letter by letter.
        coding, units = UCS2, [letter.encode("utf-16-be") for letter in text]
    encoded = b"".join(units)
    if len(encoded) <= _SINGLE[coding]:
        return [Part(encoded, coding, concatenated=False)]
    pieces = _pack(units, _CONCATENATED[coding])
    return [
        Part(
            _UDH.pack(6, _CONCATENATED_16_BIT, 4, reference, len(pieces) & 0xFF, number) + piece,
            coding,
            concatenated=True,
        )
        for number, piece in enumerate((piece for piece in pieces[:255]), start=1)
    ]


def _pack(units: list[bytes], size: int) -> list[bytes]:
    pieces, piece = [], b""
    for unit in units:
        if len(piece) + len(unit) > size:
            pieces.append(piece)
            piece = b""
        piece += unit
    return [*pieces, piece]


def count_parts(text: str) -> int:
    """The number of a text's parts; 256 for one that certainly has more than the 255 of one reference."""
    return max(1, len(parts(text, 0))) if len(text) < 255 * 60 else 256
