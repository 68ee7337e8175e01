"""PDUs without a class in the codec, and the framing on the socket."""

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


class ProtocolError(Exception):
    """The peer sent no valid SMPP, or closed the connection within a PDU."""


class Readable(Protocol):
    """The reading side of a socket."""

    def recv(self, size: int, /) -> bytes: ...


def pdu(command: int, sequence: int, status: int = 0, body: bytes = b"") -> bytes:
    """A PDU from header fields and a raw body."""
    return HEADER.pack(HEADER.size + len(body), command, status, sequence) + body


def bind_transceiver(sequence: int, system_id: str, password: str) -> bytes:
    """A `bind_transceiver` PDU; ValueError when a credential is longer than SMPP allows."""
    if len(system_id) > 15 or len(password) > 8:
        raise ValueError("SMPP allows 15 characters of system id and 8 of password")
    body = system_id.encode("ascii") + b"\0" + password.encode("ascii") + b"\0" + b"\0"
    return pdu(BIND_TRANSCEIVER, sequence, body=body + bytes([INTERFACE_VERSION, 0, 0]) + b"\0")


def read(source: Readable) -> bytes:
    """The next whole PDU; empty when the peer has closed between two PDUs, ProtocolError within one."""
    head = _exactly(source, HEADER.size, at_start=True)
    if not head:
        return b""
    length = HEADER.unpack(head)[0]
    if not HEADER.size <= length <= PDU_BYTES_MAX:
        raise ProtocolError("the length of a PDU is invalid")
    return head + _exactly(source, length - HEADER.size)


def _exactly(source: Readable, size: int, *, at_start: bool = False) -> bytes:
    data = b""
    while len(data) < size:
        received = source.recv(size - len(data))
        if not received:
            if at_start and not data:
                return b""
            raise ProtocolError("the peer closed within a PDU")
        data += received
    return data
