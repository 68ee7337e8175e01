"""What tests of connectors need: the program as a process, its queue from the service's side, its events."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pika
from chassis.key_ring import Binding, KeyRing
from chassis.messaging import headers
from diwan.options.v1 import options_pb2
from google.protobuf import json_format
from google.protobuf.message import Message

from testkit.broker import Broker

START_LIMIT_SECONDS = 60
T = TypeVar("T")


def eventually(look: Callable[[], T], within_seconds: float = 30) -> T:
    """What `look` returns as soon as that is true; AssertionError with its last result when it never is."""
    end = time.monotonic() + within_seconds
    while not (seen := look()):
        assert time.monotonic() < end, f"not within {within_seconds} s; last seen {seen!r}"
        time.sleep(0.05)
    return seen


def http(
    method: str, url: str, body: bytes | None = None, told: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Status and text of an HTTP call; 0 when nobody listens."""
    request = urllib.request.Request(url, body, dict(told or {}), method=method)  # noqa: S310 -- our own addresses
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 -- our own addresses
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


@dataclass
class Program:
    """A program of ours as its own process; `ready` is the URL that answers 200 when it can work."""

    arguments: Sequence[str]
    environment: Mapping[str, str]
    ready: str
    log: Path
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self, *, wait: bool = True) -> "Program":
        """Start it, and wait until it is ready."""
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(  # noqa: S603 -- our own program
                [sys.executable, *self.arguments],
                env={**os.environ, "PYTHONWARNINGS": "ignore", **self.environment},
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self) -> None:
        """Wait until it says that it can work; AssertionError with its log when it does not."""
        end = time.monotonic() + START_LIMIT_SECONDS
        while http("GET", self.ready)[0] != 200:
            assert self.alive, self.log.read_text()[-4000:]
            assert time.monotonic() < end, self.log.read_text()[-4000:]
            time.sleep(0.05)

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self.process is not None and self.process.poll() is None

    def stop(self, within_seconds: float = 25) -> int:
        """SIGTERM, and its exit status."""
        return self._end(signal.SIGTERM, within_seconds)

    def kill(self) -> None:
        """SIGKILL, as the kernel would."""
        self._end(signal.SIGKILL, 10)

    def _end(self, how: signal.Signals, within_seconds: float) -> int:
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(how)
        try:
            return self.process.wait(within_seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


@contextlib.contextmanager
def running(program: Program) -> Iterator[Program]:
    """A program for as long as the block lasts."""
    program.start()
    try:
        yield program
    finally:
        program.kill()


@dataclass
class Side:
    """A service's side of a connector: it publishes sealed commands, and reads what the connector says.

    Attributes:
        broker: the real one.
        keys: the service's own.
        service: its name and broker user.
        events: the queue on which it hears of the connector.
    """

    broker: Broker
    keys: KeyRing
    service: str
    events: str

    def publish(self, message: Message, *, event_id: str = "", user: str = "", **attributes: str) -> str:
        """Publish a command as the service's relay would; the event's id.

        Args:
            message: with the option `event`; sealed fields in plain.
            event_id: new if not given.
            user: who really publishes, and says so; the service itself if not given.
            attributes: headers to set or replace, by their CloudEvents name or `traceparent`.
        """
        event_id = event_id or str(uuid.uuid4())
        kind, source = message.DESCRIPTOR.full_name, headers.source_of(self.service)
        sealed = type(message)()
        sealed.CopyFrom(message)
        self.keys.seal_fields(sealed, Binding(event_id, kind, source))
        written = headers.write(
            event_id=event_id,
            publisher=self.service,
            kind=kind,
            time=datetime.now(UTC),
            subject=str(uuid.uuid4()),
        )
        written |= {
            name if name == "traceparent" else headers.PREFIX + name: value
            for name, value in attributes.items()
        }
        where = message.DESCRIPTOR.GetOptions().Extensions[options_pb2.event]
        properties = pika.BasicProperties(
            content_type=headers.CONTENT_TYPE,
            delivery_mode=headers.PERSISTENT,
            message_id=event_id,
            user_id=None if user == "nobody" else user or self.service,
            headers=written,
        )
        body = json_format.MessageToJson(sealed, indent=None, ensure_ascii=False).encode()
        publisher = self.service if user == "nobody" else user or self.service
        with self.broker.connect(publisher) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            channel.basic_publish(where.exchange, where.key, body, properties, mandatory=True)
        return event_id

    def heard(self, kind: type[T]) -> list[tuple[T, dict[str, Any]]]:
        """Take all that is on the queue now and is of this kind, with headers; the rest is dropped."""
        taken = take(self.broker, self.service, self.events)
        assert issubclass(kind, Message)
        return [
            (json_format.Parse(body, kind()), told)
            for body, told in taken
            if told[headers.TYPE] == kind.DESCRIPTOR.full_name
        ]

    def hears(
        self, kind: type[T], where: Callable[[T], bool] = lambda _: True, within_seconds: float = 30
    ) -> tuple[T, dict[str, Any]]:
        """The next event of this kind, with its headers.

        Others before it are thrown away. `where` says which it is, where an earlier test's may still be coming.
        """
        return eventually(lambda: [one for one in self.heard(kind) if where(one[0])], within_seconds)[0]


def take(broker: Broker, user: str, queue: str) -> list[tuple[bytes, dict[str, Any]]]:
    """Body and headers of all that is on a queue, which is empty then."""
    taken: list[tuple[bytes, dict[str, Any]]] = []
    with broker.connect(user) as connection:
        channel = connection.channel()
        while True:
            method, properties, body = channel.basic_get(queue, auto_ack=True)
            if method is None:
                return taken
            assert properties.headers is not None
            taken.append((body, {**properties.headers, "user_id": properties.user_id}))


def metric(url: str, line: str) -> float:
    """The value of one line of `/metrics`, 0 when it is not there."""
    for each in http("GET", url)[1].splitlines():
        if each.startswith(f"{line} "):
            return float(each.split()[-1])
    return 0.0


def read_json(url: str) -> Any:
    """A JSON answer."""
    status, text = http("GET", url)
    assert status == 200, (status, text)
    return json.loads(text)
