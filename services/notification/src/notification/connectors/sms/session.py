"""One SMPP session on one socket, on green threads: a bind, many submits in a window, receipts in between."""

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
    """The SMSC has certainly not had it."""


class AnswerUnknown(Exception):
    """It was sent, and no answer came: the SMSC may or may not have taken it."""


class Malformed(Exception):
    """No PDU can be made of it: a wrong address."""


class BindRefused(Exception):
    """The SMSC does not let us in; the text is the status by name."""


@dataclass(frozen=True)
class Submitted:
    """The SMSC's answer: its status and, if that is 0, its id of the part."""

    status: int
    part_id: str


class Session:
    """Made bound by `open`; `run` reads until it is over. What waits then learns that no answer will come."""

    def __init__(self, connection: Any, on_deliver: Callable[[smpp34.DeliverSm], bool]) -> None:
        self._socket = connection
        self._on_deliver = on_deliver
        self._sequence = 0
        self._waiting: dict[int, Signal] = {}
        self._writing = Semaphore(1)
        self._receipts = eventlet.GreenPool(RECEIPTS_AT_ONCE)
        self.over = False
        self.heard = False

    @classmethod
    def open(
        cls,
        address: tuple[str, int],
        system_id: str,
        password: str,
        on_deliver: Callable[[smpp34.DeliverSm], bool],
    ) -> "Session":
        """Connect and bind as transceiver; OSError, Broken or BindRefused. `on_deliver` says whether it took it."""
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
            raise pdus.Broken("closed at bind")
        _, command, code, answered = pdus.HEADER.unpack_from(answer)
        if command != pdus.BIND_TRANSCEIVER | pdus.RESPONSE or answered != sequence:
            raise pdus.Broken("no answer to the bind")
        if code:
            raise BindRefused(status.name(code))

    def submit(self, limit_seconds: float, **fields: Any) -> Submitted:
        """Submit one part and await the answer; NotSent, AnswerUnknown or Malformed.

        Args:
            limit_seconds: for the answer.
            fields: of `smpp34.SubmitSm`.
        """
        sequence = self._next_sequence()
        try:
            data = smpp34.SubmitSm(**fields, sequence_number=sequence).encode()
        except (smpp34.SmppError, ValueError, OverflowError) as error:
            raise Malformed from error
        answer = self._ask(sequence, data, limit_seconds)
        _, _, code, _ = pdus.HEADER.unpack_from(answer)
        return Submitted(code, answer[pdus.HEADER.size :].split(b"\0")[0].decode("ascii", "replace"))

    def enquire(self, limit_seconds: float) -> None:
        """Ask whether the SMSC is there; the session ends when it does not say so."""
        sequence = self._next_sequence()
        try:
            self._ask(sequence, pdus.pdu(pdus.ENQUIRE_LINK, sequence), limit_seconds)
        except (NotSent, AnswerUnknown):
            _log.warning("SMSC does not answer enquire_link")
            self.hang_up()

    def unbind(self) -> None:
        """Leave in order."""
        sequence = self._next_sequence()
        try:
            self._ask(sequence, pdus.pdu(pdus.UNBIND, sequence), UNBIND_LIMIT_SECONDS)
        except (NotSent, AnswerUnknown):
            _log.debug("no answer to unbind")
        self.hang_up()

    def hang_up(self) -> None:
        """End the session. The reader closes: closing under a green thread that waits kills the process."""
        self.over = True
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            _log.debug("the socket was down already")

    def run(self) -> None:
        """Read until the session is over; never raises for what the peer does."""
        try:
            while data := pdus.read(self._socket):
                self.heard = True
                self._take(data)
        except (OSError, pdus.Broken, smpp34.SmppError) as error:
            _log.warning("SMPP session broke", error_type=type(error).__name__)
        finally:
            self.over = True
            self._socket.close()
            for signal in self._waiting.values():
                if not signal.ready():
                    signal.send(None)

    def _next_sequence(self) -> int:
        """The number of our next PDU: from 1, and from 1 again after the largest that SMPP has."""
        self._sequence = self._sequence % SEQUENCE_MAX + 1
        return self._sequence

    def _ask(self, sequence: int, data: bytes, limit_seconds: float) -> bytes:
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
        """Hand a whole PDU to the kernel, or NotSent: of half a PDU the SMSC makes nothing."""
        try:
            with eventlet.Timeout(WRITE_LIMIT_SECONDS, TimeoutError("the SMSC reads nothing")), self._writing:
                if self.over:
                    raise NotSent("the session is over")
                self._socket.sendall(data)
        except OSError as error:
            self.hang_up()
            raise NotSent("the socket is down") from error

    def _take(self, data: bytes) -> None:
        _, command, _, sequence = pdus.HEADER.unpack_from(data)
        if command & pdus.RESPONSE:
            signal = self._waiting.get(sequence)
            if signal is not None and not signal.ready():
                signal.send(data)
            return
        if command == pdus.DELIVER_SM:
            self._deliver(data, sequence)
        elif command == pdus.ENQUIRE_LINK:
            self._answer(pdus.pdu(command | pdus.RESPONSE, sequence))
        elif command == pdus.UNBIND:
            self._answer(pdus.pdu(command | pdus.RESPONSE, sequence))
            self.hang_up()
        else:
            self._answer(pdus.pdu(pdus.GENERIC_NACK, sequence, 0x03))

    def _deliver(self, data: bytes, sequence: int) -> None:
        if not self._receipts.free():
            self._answer(_deliver_answer(sequence, status.RX_T_APPN))
            return
        self._receipts.spawn_n(self._deliver_and_answer, data, sequence)

    def _deliver_and_answer(self, data: bytes, sequence: int) -> None:
        pdu = smpp34.decode(data)
        taken = isinstance(pdu, smpp34.DeliverSm) and self._on_deliver(pdu)
        # Not taken: the SMSC keeps it and sends it again.
        self._answer(_deliver_answer(sequence, status.ROK if taken else status.RX_T_APPN))

    def _answer(self, data: bytes) -> None:
        try:
            self._write(data)
        except NotSent:
            _log.debug("an answer found no session")


def _deliver_answer(sequence: int, code: int) -> bytes:
    return pdus.pdu(pdus.DELIVER_SM | pdus.RESPONSE, sequence, code, b"\0")
