"""An operator's SMSC for the sandbox: SMPP 3.4 with passwords, receipts and faults on demand, and phones to look at.

    python -m sandbox.smsc --port 2775 --http-port 8775 --system-id diwan --password secret

HTTP: `GET /phones/<number>/messages` (`DELETE` clears), `POST /faults` with any of
`{"throttle": n, "throttle_at": n, "refuse": [number…], "undeliverable": [number…], "silent": n,
"drop_after_submit": n}`
(`throttle_at`: only the n-th from now), `GET /submits` counts what was taken. Not a part of the product.
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
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import smpp34

from sandbox.phones import Phones
from sandbox.web import Answer, HttpRequest, serve

HEADER = struct.Struct(">IIII")
RESPONSE = 0x80000000
BINDS = {0x1, 0x2, 0x9}
SUBMIT_SM, DELIVER_SM, UNBIND, ENQUIRE_LINK, GENERIC_NACK = 0x4, 0x5, 0x6, 0x15, 0x80000000
ROK, RINVCMDID, RINVBNDSTS, RINVPASWD, RINVDSTADR, RTHROTTLED = 0x00, 0x03, 0x04, 0x0E, 0x0B, 0x58
PDU_BYTES_MAX = 64 * 1024
RECEIPTS_MAX = 50_000
RECEIPT_AGAIN_SECONDS = 1.0
DELIVERED, UNDELIVERABLE = 2, 5


@dataclass
class Faults:
    """What goes wrong, how often: numbers count down, lists stay until changed."""

    throttle: int = 0
    throttle_at: int = 0
    silent: int = 0
    drop_after_submit: int = 0
    refuse: list[str] = field(default_factory=list)
    undeliverable: list[str] = field(default_factory=list)

    def set(self, told: dict[str, Any]) -> None:
        """Change what is named."""
        for name in ("throttle", "throttle_at", "silent", "drop_after_submit"):
            setattr(self, name, int(told.get(name, getattr(self, name))))
        for name in ("refuse", "undeliverable"):
            given = told.get(name, getattr(self, name))
            setattr(
                self, name, [str(each).lstrip("+") for each in ([given] if isinstance(given, str) else given)]
            )

    def take(self, name: str) -> bool:
        """Whether this fault is due now; counts it down."""
        left = int(getattr(self, name))
        setattr(self, name, max(0, left - 1))
        return left > 0


@dataclass(frozen=True)
class Receipt:
    """A receipt still to be taken by the system that submitted."""

    system_id: str
    part_id: str
    source: str
    destination: str
    state: int


class Smsc:
    """All sessions, phones and receipts that wait."""

    def __init__(self, credentials: tuple[str, str], receipt_delay: float) -> None:
        self.credentials = credentials
        self.receipt_delay = receipt_delay
        self.phones = Phones()
        self.faults = Faults()
        self.taken = 0
        self.sessions: list[Session] = []
        self._receipts: deque[Receipt] = deque(maxlen=RECEIPTS_MAX)
        self._tasks: set[asyncio.Task[None]] = set()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One TCP connection, until it ends."""
        session = Session(self, reader, writer)
        self.sessions.append(session)
        try:
            await session.run()
        except (OSError, asyncio.IncompleteReadError, ValueError, smpp34.SmppError):
            return
        finally:
            self.sessions.remove(session)
            writer.close()

    def receipt_later(self, receipt: Receipt) -> None:
        """Send the receipt after the delay."""
        task = asyncio.create_task(self._receipt(receipt, self.receipt_delay))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _receipt(self, receipt: Receipt, delay: float) -> None:
        await asyncio.sleep(delay)
        for session in self.sessions:
            if session.system_id == receipt.system_id and await session.deliver(receipt):
                return
        self._receipts.append(receipt)

    async def send_again(self) -> None:
        """Try the receipts that nobody took, as long as the program runs."""
        while True:
            await asyncio.sleep(RECEIPT_AGAIN_SECONDS)
            waiting = list(self._receipts)
            self._receipts.clear()
            for receipt in waiting:
                await self._receipt(receipt, 0)

    def answer_faults(self, call: HttpRequest) -> Answer:
        """`POST /faults`."""
        self.faults.set(call.json())
        return 200, vars(self.faults)

    def answer_clear(self, call: HttpRequest) -> Answer:
        """`DELETE /phones/<number>/messages`."""
        self.phones.clear(call.caught[0])
        return 200, {}


class Session:
    """One connection of a system; bound once `system_id` is set."""

    def __init__(self, smsc: Smsc, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._smsc = smsc
        self._reader = reader
        self._writer = writer
        self._sequence = 0
        self._answers: dict[int, asyncio.Future[int]] = {}
        self.system_id = ""

    async def run(self) -> None:
        """Read PDUs until the end."""
        while True:
            head = await self._reader.readexactly(HEADER.size)
            length, command, status, sequence = HEADER.unpack(head)
            if not HEADER.size <= length <= PDU_BYTES_MAX:
                return
            body = await self._reader.readexactly(length - HEADER.size)
            if not self._take(command, status, sequence, head + body):
                return

    def _take(self, command: int, status: int, sequence: int, data: bytes) -> bool:
        """Answer one PDU; False when the connection is to be cut."""
        if command == DELIVER_SM | RESPONSE:
            if (waiting := self._answers.pop(sequence, None)) and not waiting.done():
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
        given = body.split(b"\0", 2)[:2]
        known = zip(given, self._smsc.credentials, strict=True)
        if all([hmac.compare_digest(told, mine.encode()) for told, mine in known]):  # noqa: C419 -- all are compared
            self.system_id = self._smsc.credentials[0]
            self._send(command | RESPONSE, ROK, sequence, b"SANDBOX\0")
        else:
            self._send(command | RESPONSE, RINVPASWD, sequence)

    def _submit(self, data: bytes, sequence: int) -> bool:
        """Take one part; False when the connection is to be cut."""
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
        smsc.taken += 1
        part_id = secrets.token_hex(8)
        state = UNDELIVERABLE if number in faults.undeliverable else DELIVERED
        if state == DELIVERED:
            udh = bool(pdu.esm_class & 0x40)
            smsc.phones.deliver(
                number, pdu.source_addr, part_id, pdu.short_message, coding=pdu.data_coding, udh=udh
            )
        if pdu.registered_delivery & 0x3:
            smsc.receipt_later(Receipt(self.system_id, part_id, number, pdu.source_addr, state))
        if faults.take("drop_after_submit"):
            self._writer.transport.abort()
            return False
        if not faults.take("silent"):
            self._send(SUBMIT_SM | RESPONSE, ROK, sequence, part_id.encode() + b"\0")
        return True

    async def deliver(self, receipt: Receipt) -> bool:
        """Send a receipt; whether the system took it."""
        now = datetime.now(UTC).strftime("%y%m%d%H%M%S")
        word = "DELIVRD" if receipt.state == DELIVERED else "UNDELIV"
        text = f"id:{receipt.part_id} sub:001 dlvrd:001 submit date:{now} done date:{now} stat:{word} err:000 text:"
        self._sequence += 1
        pdu = smpp34.DeliverSm(
            receipt.source,
            receipt.destination,
            text.encode(),
            esm_class=0x04,
            tlvs=[
                smpp34.Tlv(0x001E, receipt.part_id.encode() + b"\0"),
                smpp34.Tlv(0x0427, bytes([receipt.state])),
            ],
            sequence_number=self._sequence,
        )
        answer = self._answers[self._sequence] = asyncio.get_running_loop().create_future()
        self._writer.write(pdu.encode())
        with contextlib.suppress(TimeoutError, OSError):
            return bool(await asyncio.wait_for(answer, 10) == ROK)
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
                r"/phones/(?:\+|%2B)?(\d+)/messages",
                lambda call: (200, smsc.phones.messages(call.caught[0])),
            ),
            ("DELETE", r"/phones/(?:\+|%2B)?(\d+)/messages", smsc.answer_clear),
            ("POST", r"/faults", smsc.answer_faults),
            ("GET", r"/submits", lambda _: (200, {"taken": smsc.taken})),
        ],
    )
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    again = asyncio.create_task(smsc.send_again())
    print(
        f"SMSC on {arguments.host}:{arguments.port}, phones on {arguments.host}:{arguments.http_port}",
        flush=True,
    )
    await stopping.wait()
    again.cancel()
    server.close()


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.smsc",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True, help="SMPP")
    parser.add_argument("--http-port", type=int, required=True, help="phones and faults")
    parser.add_argument("--system-id", default="diwan")
    parser.add_argument("--password", default="secret", help="at most 8 characters")
    parser.add_argument("--password-file", type=Path, help="instead of --password")
    parser.add_argument("--receipt-delay", type=float, default=0.2, metavar="SECONDS")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
