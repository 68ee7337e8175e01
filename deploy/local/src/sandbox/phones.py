"""The phones of the sandbox's SMSC: delivered messages, joined from their parts, with limits on everything.

Like a real phone, a phone joins parts by originator and reference alone, whatever their texts: a part replaces an
earlier one of the same number. If two texts under way have one reference, their parts are mixed.
"""

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock
from typing import Any

PHONES_MAX = 20_000
MESSAGES_MAX = 5_000
PARTIAL_MAX = 5_000

_GSM = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_ESCAPED = {
    0x0A: "\f",
    0x14: "^",
    0x28: "{",
    0x29: "}",
    0x2F: "\\",
    0x3C: "[",
    0x3D: "~",
    0x3E: "]",
    0x40: "|",
}
_GSM_ESCAPED[0x65] = "€"
UCS2 = 0x08
CONCATENATED_8_BIT, CONCATENATED_16_BIT = 0x00, 0x08


@dataclass
class _Partial:
    total: int
    parts: dict[int, tuple[str, str]] = field(default_factory=dict)


class Phones:
    """Inboxes by number (digits only), oldest message first. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._inboxes: OrderedDict[str, deque[dict[str, Any]]] = OrderedDict()
        self._partial: OrderedDict[tuple[str, str, int], _Partial] = OrderedDict()

    def deliver(self, number: str, sender: str, part_id: str, data: bytes, *, coding: int, udh: bool) -> None:
        """Deliver one part of a message; the message is listed once all its parts have arrived."""
        header, body = (data[: data[0] + 1], data[data[0] + 1 :]) if udh and data else (b"", data)
        text = decode(body, coding)
        with self._lock:
            position = _position(header)
            if position is not None:
                self._add_part(number, sender, (part_id, text), position)
            else:
                self._add_message(number, sender, [(part_id, text)])

    def messages(self, number: str) -> list[dict[str, Any]]:
        """Return the messages on a phone: id, from, text, time (RFC 3339), parts (ids)."""
        with self._lock:
            return list(self._inboxes.get(number.lstrip("+"), ()))

    def incomplete(self, number: str) -> list[dict[str, Any]]:
        """Return the texts of a phone that lack parts: from, reference, numbers of the parts, total."""
        with self._lock:
            return [
                {
                    "from": sender,
                    "reference": reference,
                    "parts": sorted(partial.parts),
                    "total": partial.total,
                }
                for (phone, sender, reference), partial in self._partial.items()
                if phone == number.lstrip("+")
            ]

    def clear(self, number: str) -> None:
        """Delete the messages on a phone."""
        with self._lock:
            self._inboxes.pop(number.lstrip("+"), None)

    def _add_part(
        self, number: str, sender: str, part: tuple[str, str], position: tuple[int, int, int]
    ) -> None:
        reference, total, index = position
        key = (number, sender, reference)
        partial = self._partial.setdefault(key, _Partial(total))
        partial.parts[index] = part
        if len(partial.parts) == partial.total:
            del self._partial[key]
            self._add_message(number, sender, [partial.parts[index] for index in sorted(partial.parts)])
        while len(self._partial) > PARTIAL_MAX:
            self._partial.popitem(last=False)

    def _add_message(self, number: str, sender: str, parts: list[tuple[str, str]]) -> None:
        inbox = self._inboxes.setdefault(number, deque(maxlen=MESSAGES_MAX))
        self._inboxes.move_to_end(number)
        inbox.append(
            {
                "id": parts[0][0],
                "from": sender,
                "text": "".join(text for _, text in parts),
                "time": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
                "parts": [part_id for part_id, _ in parts],
            }
        )
        while len(self._inboxes) > PHONES_MAX:
            self._inboxes.popitem(last=False)


def _position(header: bytes) -> tuple[int, int, int] | None:
    """Reference, total and number of a part by the information elements of its UDH; None for a whole message."""
    rest = header[1:]
    while len(rest) >= 2:
        element, value, rest = rest[0], rest[2 : 2 + rest[1]], rest[2 + rest[1] :]
        if (element, len(value)) in {(CONCATENATED_8_BIT, 3), (CONCATENATED_16_BIT, 4)}:
            return int.from_bytes(value[:-2]), value[-2], value[-1]
    return None


def decode(data: bytes, coding: int) -> str:
    """Decode the text of a part: UCS-2, or GSM 7-bit with one character per byte."""
    if coding == UCS2:
        return data.decode("utf-16-be", "replace")
    letters, escaped = [], False
    for code in data:
        if escaped:
            letters.append(_GSM_ESCAPED.get(code, " "))
        elif code != 0x1B:
            letters.append(_GSM[code & 0x7F])
        escaped = code == 0x1B and not escaped
    return "".join(letters)
