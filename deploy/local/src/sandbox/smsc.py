"""A mobile operator's SMSC for the sandbox: SMPP 3.4 with passwords, receipts, faults on demand, and phones to read.

    python -m sandbox.smsc --port 2775 --http-port 8775 --system-id diwan --password secret

HTTP: `GET /phones/<number>/messages` (`DELETE` clears them), `GET /phones/<number>/incomplete` (texts whose parts have
not all arrived), `POST /faults` with any of
`{"throttle": n, "throttle_at": n, "refuse": [number…], "undeliverable": [number…], "silent": n,
"drop_after_submit": n, "receipt_first": n}` (`throttle_at`: only the n-th submit from now; `receipt_first`: the receipt
precedes the answer), `POST /dialect` with fields of `sandbox.dialects.Dialect` (`{}` restores the defaults),
`GET /submits` returns the number of accepted submits. Not a part of the product.
"""

import argparse
import asyncio
import contextlib
import hmac
import secrets
import signal
import struct
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import smpp34

from sandbox.dialects import DELIVERED, UNDELIVERABLE, Dialect, Receipt
from sandbox.phones import Phones
from sandbox.web import HttpRequest, Response, serve

HEADER = struct.Struct(">IIII")
RESPONSE = 0x80000000
BINDS = {0x1, 0x2, 0x9}
SUBMIT_SM, DELIVER_SM, UNBIND, ENQUIRE_LINK, GENERIC_NACK = 0x4, 0x5, 0x6, 0x15, 0x80000000
ROK, RINVCMDID, RINVBNDSTS, RINVPASWD, RINVDSTADR, RTHROTTLED = 0x00, 0x03, 0x04, 0x0E, 0x0B, 0x58
PDU_BYTES_MAX = 64 * 1024
RECEIPTS_MAX = 50_000
RESEND_SECONDS = 1.0
LATE_ANSWER_SECONDS = 0.5


@dataclass
class Faults:
    """The active faults: numbers count down, lists are constant until changed."""

    throttle: int = 0
    throttle_at: int = 0
    silent: int = 0
    drop_after_submit: int = 0
    receipt_first: int = 0
    refuse: list[str] = field(default_factory=list)
    undeliverable: list[str] = field(default_factory=list)

    def set(self, changes: dict[str, Any]) -> None:
        """Change the named faults; others stay as they are."""
        for name in ("throttle", "throttle_at", "silent", "drop_after_submit", "receipt_first"):
            setattr(self, name, int(changes.get(name, getattr(self, name))))
        for name in ("refuse", "undeliverable"):
            value = changes.get(name, getattr(self, name))
            numbers = [value] if isinstance(value, str) else value
            setattr(self, name, [str(number).lstrip("+") for number in numbers])

    def take(self, name: str) -> bool:
        """Count a fault down; return whether it is due."""
        left = int(getattr(self, name))
        setattr(self, name, max(0, left - 1))
        return left > 0


class Smsc:
    """All sessions, phones and pending receipts."""

    def __init__(self, credentials: tuple[str, str], receipt_delay: float) -> None:
        self.credentials = credentials
        self.receipt_delay = receipt_delay
        self.phones = Phones()
        self.faults = Faults()
        self.dialect = Dialect()
        self.submits = 0
        self.sessions: list[Session] = []
        self._receipts: deque[Receipt] = deque(maxlen=RECEIPTS_MAX)
        self._tasks: set[asyncio.Task[None]] = set()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one TCP connection until it ends."""
        session = Session(self, reader, writer)
        self.sessions.append(session)
        try:
            await session.run()
        except (OSError, asyncio.IncompleteReadError, ValueError, smpp34.SmppError):
            return
        finally:
            self.sessions.remove(session)
            writer.close()

    def receipt_later(self, receipt: Receipt, *, at_once: bool = False) -> None:
        """Schedule a receipt, to be sent after the delay."""
        task = asyncio.create_task(self._receipt(receipt, 0 if at_once else self.receipt_delay))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _receipt(self, receipt: Receipt, delay: float) -> None:
        await asyncio.sleep(delay)
        for session in self.sessions:
            if session.system_id == receipt.system_id and await session.deliver(receipt):
                return
        self._receipts.append(receipt)

    async def resend(self) -> None:
        """Send the receipts again that were not accepted, as long as the program runs."""
        while True:
            await asyncio.sleep(RESEND_SECONDS)
            pending = list(self._receipts)
            self._receipts.clear()
            for receipt in pending:
                await self._receipt(receipt, 0)

    def post_faults(self, call: HttpRequest) -> Response:
        """`POST /faults`."""
        self.faults.set(call.json())
        return 200, vars(self.faults)

    def post_dialect(self, call: HttpRequest) -> Response:
        """`POST /dialect`."""
        self.dialect = Dialect.of(call.json())
        return 200, vars(self.dialect)

    def delete_messages(self, call: HttpRequest) -> Response:
        """`DELETE /phones/<number>/messages`."""
        self.phones.clear(call.groups[0])
        return 200, {}


class Session:
    """A connection of an external system, bound once `system_id` is set."""

    def __init__(self, smsc: Smsc, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._smsc = smsc
        self._reader = reader
        self._writer = writer
        self._sequence = 0
        self._responses: dict[int, asyncio.Future[int]] = {}
        self.system_id = ""

    async def run(self) -> None:
        """Process PDUs until the connection ends."""
        while True:
            header = await self._reader.readexactly(HEADER.size)
            length, command, status, sequence = HEADER.unpack(header)
            if not HEADER.size <= length <= PDU_BYTES_MAX:
                return
            body = await self._reader.readexactly(length - HEADER.size)
            if not self._process(command, status, sequence, header + body):
                return

    def _process(self, command: int, status: int, sequence: int, data: bytes) -> bool:
        """Process one PDU; return False to close the connection."""
        if command == DELIVER_SM | RESPONSE:
            if (waiting := self._responses.pop(sequence, None)) and not waiting.done():
                waiting.set_result(status)
        elif command in BINDS:
            self._bind(command, sequence, data[HEADER.size :])
        elif command == SUBMIT_SM:
            return self._submit(data, sequence)
        elif command in {ENQUIRE_LINK, UNBIND}:
            self._send(command | RESPONSE, ROK, sequence)
            return command != UNBIND
        elif not command & RESPONSE:
            self._send(GENERIC_NACK, RINVCMDID, sequence)
        return True

    def _bind(self, command: int, sequence: int, body: bytes) -> None:
        received = body.split(b"\0", 2)[:2]
        pairs = zip(received, self._smsc.credentials, strict=True)
        if all([hmac.compare_digest(value, own.encode()) for value, own in pairs]):  # noqa: C419 -- constant time
            self.system_id = self._smsc.credentials[0]
            self._send(command | RESPONSE, ROK, sequence, b"SANDBOX\0")
        else:
            self._send(command | RESPONSE, RINVPASWD, sequence)

    def _submit(self, data: bytes, sequence: int) -> bool:
        """Process one submitted part; return False to close the connection."""
        faults, smsc = self._smsc.faults, self._smsc
        pdu = smpp34.decode(data)
        if not self.system_id or not isinstance(pdu, smpp34.SubmitSm):
            self._send(SUBMIT_SM | RESPONSE, RINVBNDSTS, sequence)
            return True
        number = pdu.destination_addr.lstrip("+")
        throttled = faults.take("throttle") or (faults.take("throttle_at") and not faults.throttle_at)
        refusal = RTHROTTLED if throttled else RINVDSTADR if number in faults.refuse else ROK
        if refusal:
            self._send(SUBMIT_SM | RESPONSE, refusal, sequence)
            return True
        smsc.submits += 1
        part = secrets.randbits(63)
        part_id = smsc.dialect.answer(part)
        receipt_first = faults.take("receipt_first")
        state = UNDELIVERABLE if number in faults.undeliverable else DELIVERED
        if state == DELIVERED:
            udh = bool(pdu.esm_class & 0x40)
            smsc.phones.deliver(
                number, pdu.source_addr, part_id, pdu.short_message, coding=pdu.data_coding, udh=udh
            )
        if pdu.registered_delivery & 0x3:
            receipt = Receipt(self.system_id, part, number, pdu.source_addr, state)
            smsc.receipt_later(receipt, at_once=receipt_first)
        if faults.take("drop_after_submit"):
            self._writer.transport.abort()
            return False
        answer = (SUBMIT_SM | RESPONSE, ROK, sequence, part_id.encode() + b"\0")
        if receipt_first:
            asyncio.get_running_loop().call_later(LATE_ANSWER_SECONDS, self._send, *answer)
        elif not faults.take("silent"):
            self._send(*answer)
        return True

    async def deliver(self, receipt: Receipt) -> bool:
        """Send a receipt; return whether the system accepted it."""
        self._sequence += 1
        response = self._responses[self._sequence] = asyncio.get_running_loop().create_future()
        self._writer.write(self._smsc.dialect.receipt(receipt, self._sequence))
        with contextlib.suppress(TimeoutError, OSError):
            return bool(await asyncio.wait_for(response, 10) == ROK)
        return False

    def _send(self, command: int, status: int, sequence: int, body: bytes = b"") -> None:
        self._writer.write(HEADER.pack(HEADER.size + len(body), command, status, sequence) + body)


async def run(arguments: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT."""
    password = arguments.password_file.read_text().strip() if arguments.password_file else arguments.password
    smsc = Smsc((arguments.system_id, password), arguments.receipt_delay)
    server = await asyncio.start_server(smsc.connected, arguments.host, arguments.port)
    serve(
        arguments.host,
        arguments.http_port,
        [
            (
                "GET",
                r"/healthz",
                lambda _: (200, {"bound": sum(bool(s.system_id) for s in list(smsc.sessions))}),
            ),
            (
                "GET",
                r"/phones/(?:\+|%2B)?(\d+)/incomplete",
                lambda call: (200, smsc.phones.incomplete(call.groups[0])),
            ),
            (
                "GET",
                r"/phones/(?:\+|%2B)?(\d+)/messages",
                lambda call: (200, smsc.phones.messages(call.groups[0])),
            ),
            ("DELETE", r"/phones/(?:\+|%2B)?(\d+)/messages", smsc.delete_messages),
            ("POST", r"/faults", smsc.post_faults),
            ("POST", r"/dialect", smsc.post_dialect),
            ("GET", r"/submits", lambda _: (200, {"taken": smsc.submits})),
        ],
    )
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    resending = asyncio.create_task(smsc.resend())
    print(
        f"SMSC on {arguments.host}:{arguments.port}, phones on {arguments.host}:{arguments.http_port}",
        flush=True,
    )
    await stopping.wait()
    resending.cancel()
    server.close()


def main() -> None:
    """Serve with the options of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.smsc",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True, help="SMPP")
    parser.add_argument("--http-port", type=int, required=True, help="HTTP API of phones and faults")
    parser.add_argument("--system-id", default="diwan")
    parser.add_argument("--password", default="secret", help="at most 8 characters")
    parser.add_argument("--password-file", type=Path, help="instead of --password")
    parser.add_argument("--receipt-delay", type=float, default=0.2, metavar="SECONDS")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
