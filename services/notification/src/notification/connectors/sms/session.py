"""One SMPP session on one socket, on green threads: a bind, concurrent submits, incoming receipts."""

import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import eventlet
import smpp34
from chassis import log
from eventlet.event import Event as Signal
from eventlet.semaphore import Semaphore

from notification.connectors.sms import pdus, status

CONNECT_LIMIT_SECONDS: Final = 10
UNBIND_LIMIT_SECONDS: Final = 2
WRITE_LIMIT_SECONDS: Final = 10
SEQUENCE_MAX: Final = 0x7FFFFFFF
RECEIPTS_AT_ONCE: Final = 200

_log = log.get(__name__)


class NotSent(Exception):
    """The PDU was certainly not received by the SMSC."""


class AnswerUnknown(Exception):
    """The PDU was sent and no answer came: the SMSC may or may not have accepted it."""


class Malformed(Exception):
    """The fields cannot be encoded, for example because of a wrong address."""


class BindRefused(Exception):
    """The SMSC refused the bind; the text is the name of the status."""


@dataclass(frozen=True)
class Submitted:
    """The SMSC's answer: its status and, if that is 0, its id of the part."""

    status: int
    part_id: str


class Session:
    """A bound session, created by `open`; `run` reads until it is closed. Waiting submits then fail.

    Attributes:
        closed: no more PDUs can be sent.
        idle: set by the user of the session; cleared by each PDU that is received.
    """

    def __init__(self, connection: Any, on_deliver: Callable[[bytes], bool]) -> None:
        self._socket = connection
        self._on_deliver = on_deliver
        self._sequence = 0
        self._waiting: dict[int, Signal] = {}
        self._writing = Semaphore(1)
        self._receipts = eventlet.GreenPool(RECEIPTS_AT_ONCE)
        self.closed = False
        self.idle = False

    @classmethod
    def open(
        cls,
        address: tuple[str, int],
        system_id: str,
        password: str,
        on_deliver: Callable[[bytes], bool],
    ) -> "Session":
        """Connect and bind as transceiver.

        Args:
            address: host and port.
            system_id: of the bind.
            password: of the bind.
            on_deliver: called with each `deliver_sm`; returns whether it was accepted.

        Raises:
            OSError: no connection.
            ProtocolError: no valid answer to the bind.
            BindRefused: the SMSC's status is an error.
        """
        connection = socket.create_connection(address, timeout=CONNECT_LIMIT_SECONDS)
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            session = cls(connection, on_deliver)
            session._bind(system_id, password)
            connection.settimeout(None)
        except BaseException:
            connection.close()
            raise
        return session

    def _bind(self, system_id: str, password: str) -> None:
        sequence = self._next_sequence()
        self._socket.sendall(pdus.bind_transceiver(sequence, system_id, password))
        answer = pdus.read(self._socket)
        if not answer:
            raise pdus.ProtocolError("closed at bind")
        _, command, code, answered = pdus.HEADER.unpack_from(answer)
        if command != pdus.BIND_TRANSCEIVER | pdus.RESPONSE or answered != sequence:
            raise pdus.ProtocolError("no answer to the bind")
        if code:
            raise BindRefused(status.name(code))

    def submit(self, limit_seconds: float, **fields: Any) -> Submitted:
        """Submit one part and await the answer; NotSent, AnswerUnknown or Malformed.

        Args:
            limit_seconds: time limit of the answer.
            fields: of `smpp34.SubmitSm`.
        """
        sequence = self._next_sequence()
        try:
            data = smpp34.SubmitSm(**fields, sequence_number=sequence).encode()
        except (smpp34.SmppError, ValueError, OverflowError) as error:
            raise Malformed from error
        answer = self._request(sequence, data, limit_seconds)
        _, _, code, _ = pdus.HEADER.unpack_from(answer)
        return Submitted(code, answer[pdus.HEADER.size :].split(b"\0")[0].decode("ascii", "replace"))

    def enquire(self, limit_seconds: float) -> None:
        """Send `enquire_link`; the session ends without an answer in time."""
        sequence = self._next_sequence()
        try:
            self._request(sequence, pdus.pdu(pdus.ENQUIRE_LINK, sequence), limit_seconds)
        except (NotSent, AnswerUnknown):
            _log.warning("SMSC does not answer enquire_link")
            self.disconnect()

    def unbind(self) -> None:
        """Unbind and end the session."""
        sequence = self._next_sequence()
        try:
            self._request(sequence, pdus.pdu(pdus.UNBIND, sequence), UNBIND_LIMIT_SECONDS)
        except (NotSent, AnswerUnknown):
            _log.debug("no answer to unbind")
        self.disconnect()

    def disconnect(self) -> None:
        """End the session. `run` closes the socket: eventlet fails if it is closed while a green thread waits on it."""
        self.closed = True
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            _log.debug("socket was already closed")

    def run(self) -> None:
        """Read until the session is closed; errors of the peer are logged, not raised."""
        try:
            while data := pdus.read(self._socket):
                self.idle = False
                self._handle(data)
        except (OSError, pdus.ProtocolError, smpp34.SmppError) as error:
            _log.warning("SMPP session failed", error_type=type(error).__name__)
        finally:
            self.closed = True
            self._socket.close()
            for signal in self._waiting.values():
                if not signal.ready():
                    signal.send(None)

    def _next_sequence(self) -> int:
        """The sequence number of our next PDU: from 1, and from 1 again after SMPP's largest."""
        self._sequence = self._sequence % SEQUENCE_MAX + 1
        return self._sequence

    def _request(self, sequence: int, data: bytes, limit_seconds: float) -> bytes:
        signal = self._waiting[sequence] = Signal()
        try:
            self._write(data)
            with eventlet.Timeout(limit_seconds, False):
                answer: bytes | None = signal.wait()
                if answer is not None:
                    return answer
            raise AnswerUnknown
        finally:
            del self._waiting[sequence]

    def _write(self, data: bytes) -> None:
        """Write a whole PDU to the socket, or raise NotSent: the SMSC ignores a partial PDU."""
        try:
            with eventlet.Timeout(WRITE_LIMIT_SECONDS, TimeoutError("the SMSC reads nothing")), self._writing:
                if self.closed:
                    raise NotSent("the session is closed")
                self._socket.sendall(data)
        except OSError as error:
            self.disconnect()
            raise NotSent("the socket is closed") from error

    def _handle(self, data: bytes) -> None:
        _, command, _, sequence = pdus.HEADER.unpack_from(data)
        if command & pdus.RESPONSE:
            signal = self._waiting.get(sequence)
            if signal is not None and not signal.ready():
                signal.send(data)
            return
        if command == pdus.DELIVER_SM:
            self._deliver(data, sequence)
        elif command == pdus.ENQUIRE_LINK:
            self._respond(pdus.pdu(command | pdus.RESPONSE, sequence))
        elif command == pdus.UNBIND:
            self._respond(pdus.pdu(command | pdus.RESPONSE, sequence))
            self.disconnect()
        else:
            self._respond(pdus.pdu(pdus.GENERIC_NACK, sequence, 0x03))

    def _deliver(self, data: bytes, sequence: int) -> None:
        if not self._receipts.free():
            self._respond(_deliver_sm_resp(sequence, status.RX_T_APPN))
            return
        self._receipts.spawn_n(self._deliver_and_respond, data, sequence)

    def _deliver_and_respond(self, data: bytes, sequence: int) -> None:
        accepted = self._on_deliver(data)
        # After a temporary error the SMSC sends it again.
        self._respond(_deliver_sm_resp(sequence, status.ROK if accepted else status.RX_T_APPN))

    def _respond(self, data: bytes) -> None:
        try:
            self._write(data)
        except NotSent:
            _log.debug("response not sent, the session is closed")


def _deliver_sm_resp(sequence: int, code: int) -> bytes:
    return pdus.pdu(pdus.DELIVER_SM | pdus.RESPONSE, sequence, code, b"\0")
