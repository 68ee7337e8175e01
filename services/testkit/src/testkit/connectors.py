"""Support for tests of connectors: the program as a process, and the service's side of its queues."""

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
from testkit.processes import check_status

START_LIMIT_SECONDS = 60
T = TypeVar("T")


def eventually(look: Callable[[], T], within_seconds: float = 30) -> T:
    """Call `look` until its result is true, and return it; AssertionError with the last result after the limit."""
    end = time.monotonic() + within_seconds
    while not (result := look()):
        assert time.monotonic() < end, f"not within {within_seconds} s; last result {result!r}"
        time.sleep(0.05)
    return result


def http(
    method: str, url: str, body: bytes | None = None, told: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Status and text of an HTTP call with the headers `told`; status 0 when the connection fails."""
    request = urllib.request.Request(url, body, dict(told or {}), method=method)  # noqa: S310 -- our own addresses
    try:
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 -- our own addresses
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


@dataclass
class Program:
    """A program of the platform as a process; the URL `ready` returns 200 when the program is ready."""

    arguments: Sequence[str]
    environment: Mapping[str, str]
    ready: str
    log: Path
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self, *, wait: bool = True) -> "Program":
        """Start the process, and wait until it is ready unless `wait` is False."""
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
        """Wait until the process is ready; AssertionError with the end of its log if it ends or exceeds the limit."""
        end = time.monotonic() + START_LIMIT_SECONDS
        while http("GET", self.ready)[0] != 200:
            assert self.alive, self.log.read_text()[-4000:]
            assert time.monotonic() < end, self.log.read_text()[-4000:]
            time.sleep(0.05)

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self.process is not None and self.process.poll() is None

    def stop(self, within_seconds: float = 25) -> None:
        """Send SIGTERM; AssertionError with the end of the log unless it ends in time with status 0."""
        check_status(self._end(signal.SIGTERM, within_seconds), 0, self.log.read_text())

    def kill(self) -> None:
        """Send SIGKILL and wait for the end."""
        self._end(signal.SIGKILL, 10)

    def _end(self, how: signal.Signals, within_seconds: float) -> int | None:
        """The exit status after this signal; None if the process did not end in time and was killed."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(how)
        try:
            return self.process.wait(within_seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return None


@contextlib.contextmanager
def running(program: Program) -> Iterator[Program]:
    """Start a program and kill it at the end of the block."""
    program.start()
    try:
        yield program
    finally:
        program.kill()


@dataclass
class Side:
    """A service's side of a connector: it publishes sealed commands and consumes the connector's events.

    Attributes:
        broker: a real broker.
        keys: the service's own keys.
        service: the service's name and broker user.
        events: the queue of the connector's events.
    """

    broker: Broker
    keys: KeyRing
    service: str
    events: str

    def publish(self, message: Message, *, event_id: str = "", user: str = "", **attributes: str) -> str:
        """Publish a command like the service's relay; return the event's id.

        Args:
            message: a message with the option `event`, its sealed fields in plaintext.
            event_id: id of the event, a new one if not given.
            user: user of the connection and of `user_id`, the service if not given; "nobody" omits `user_id`.
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
        """Consume all events on the queue; return those of this kind with their headers, and drop the others."""
        messages = take(self.broker, self.service, self.events)
        assert issubclass(kind, Message)
        return [
            (json_format.Parse(body, kind()), attributes)
            for body, attributes in messages
            if attributes[headers.TYPE] == kind.DESCRIPTOR.full_name
        ]

    def hears(
        self, kind: type[T], where: Callable[[T], bool] = lambda _: True, within_seconds: float = 30
    ) -> tuple[T, dict[str, Any]]:
        """Wait for the next event of this kind for which `where` is true; return it with its headers.

        All other events are dropped. `where` excludes events of earlier tests that may still arrive. AssertionError
        after the limit.
        """
        return eventually(lambda: [event for event in self.heard(kind) if where(event[0])], within_seconds)[0]


def take(broker: Broker, user: str, queue: str) -> list[tuple[bytes, dict[str, Any]]]:
    """Consume all messages of a queue; return their bodies and headers, with `user_id` among the headers."""
    messages: list[tuple[bytes, dict[str, Any]]] = []
    with broker.connect(user) as connection:
        channel = connection.channel()
        while True:
            method, properties, body = channel.basic_get(queue, auto_ack=True)
            if method is None:
                return messages
            assert properties.headers is not None
            messages.append((body, {**properties.headers, "user_id": properties.user_id}))


def metric(url: str, line: str) -> float:
    """The value of one line of `/metrics`, 0 when it is not there."""
    for sample in http("GET", url)[1].splitlines():
        if sample.startswith(f"{line} "):
            return float(sample.split()[-1])
    return 0.0


def read_json(url: str) -> Any:
    """The JSON body of a response with status 200; AssertionError for another status."""
    status, text = http("GET", url)
    assert status == 200, (status, text)
    return json.loads(text)
