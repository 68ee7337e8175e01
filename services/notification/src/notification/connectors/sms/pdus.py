"""PDUs that the codec has no class for, and the frames on the socket."""

import struct
from typing import Final, Protocol

BIND_TRANSCEIVER: Final = 0x00000009
UNBIND: Final = 0x00000006
ENQUIRE_LINK: Final = 0x00000015
DELIVER_SM: Final = 0x00000005
GENERIC_NACK: Final = 0x80000000
RESPONSE: Final = 0x80000000

HEADER: Final = struct.Struct(">IIII")
PDU_BYTES_MAX: Final = 64 * 1024
INTERFACE_VERSION: Final = 0x34


class Broken(Exception):
    """What came is no SMPP, or the peer closed in the middle."""


class Readable(Protocol):
    """A socket, as far as reading goes."""

    def recv(self, size: int, /) -> bytes: ...


def pdu(command: int, sequence: int, status: int = 0, body: bytes = b"") -> bytes:
    """A PDU of header and raw body."""
    return HEADER.pack(HEADER.size + len(body), command, status, sequence) + body


def bind_transceiver(sequence: int, system_id: str, password: str) -> bytes:
    """A bind for both directions; ValueError when a credential is longer than SMPP has room for."""
    if len(system_id) > 15 or len(password) > 8:
        raise ValueError("SMPP allows 15 characters of system id and 8 of password")
    body = system_id.encode("ascii") + b"\0" + password.encode("ascii") + b"\0" + b"\0"
    return pdu(BIND_TRANSCEIVER, sequence, body=body + bytes([INTERFACE_VERSION, 0, 0]) + b"\0")


def read(source: Readable) -> bytes:
    """The next whole PDU; empty at an orderly end, Broken at any other."""
    head = _exactly(source, HEADER.size, at_start=True)
    if not head:
        return b""
    length = HEADER.unpack(head)[0]
    if not HEADER.size <= length <= PDU_BYTES_MAX:
        raise Broken("a PDU of impossible length")
    return head + _exactly(source, length - HEADER.size)


def _exactly(source: Readable, size: int, *, at_start: bool = False) -> bytes:
    data = b""
    while len(data) < size:
        more = source.recv(size - len(data))
        if not more:
            if at_start and not data:
                return b""
            raise Broken("the peer closed within a PDU")
        data += more
    return data
