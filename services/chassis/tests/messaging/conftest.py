"""A harness on a real store and broker: payments publishes, notary and notification consume."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pika
import pymongo
import pytest
from chassis import log, telemetry
from chassis.commands import Cause, Decision, EventCause, cause_id, execute
from chassis.components import Background
from chassis.key_ring import KeyRing
from chassis.messaging import headers, inbox_worker, message_processor
from chassis.messaging.consumer import Consumer
from chassis.messaging.event_encoder import EventEncoder
from chassis.messaging.inbox_worker import InboxWorker
from chassis.messaging.message_processor import MessageProcessor
from chassis.messaging.policies import Policies, Policy
from chassis.messaging.relay import Relay
from chassis.store import Database, dataclass_codec
from diwan.payments.v1 import events_pb2
from google.protobuf import json_format
from google.protobuf.message import Message
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from testkit.broker import Broker
from testkit.keys import make_keys

QUEUE = "notary.payments.payment"


@dataclass(frozen=True)
class Counter:
    """An aggregate that counts."""

    total: int = 0


def settled(number: int = 0) -> events_pb2.PaymentSettled:
    """Return a fact of payments, identified by its number."""
    return events_pb2.PaymentSettled(payment_id=str(number), subject_id="subject", account_id="account")


async def eventually(probe: Callable[[], Any], seconds: float = 30.0) -> Any:
    """Call the probe (plain or async) until its result is true; the failure contains the last result."""
    deadline = time.monotonic() + seconds
    while True:
        answer = probe()
        if isinstance(answer, Awaitable):
            answer = await answer
        if answer:
            return answer
        assert time.monotonic() < deadline, f"still {answer!r} after {seconds} s"
        await asyncio.sleep(0.02)


@dataclass
class Bench:
    """Databases, keys and components of services, started when a test needs them."""

    broker: Broker
    store_uri: str
    store_name: str
    keys_dir: Path
    spans: InMemorySpanExporter
    stack: AsyncExitStack
    databases: dict[str, Database] = field(default_factory=dict)
    counters: dict[str, Any] = field(default_factory=dict)

    def keys(self, service: str) -> KeyRing:
        return KeyRing(service, self.keys_dir / service)

    async def database(self, service: str, *, fresh: bool = False) -> Database:
        """Return the service's database; a fresh one acts as that of another process."""
        if service not in self.databases or fresh:
            database = await Database.open(
                self.store_uri,
                f"{self.store_name}_{service}",
                encode_event=EventEncoder(service, self.keys(service)),
                refusals=frozenset(),
            )
            self.stack.push_async_callback(database.close)
            self.counters[service] = await database.aggregates("counters", dataclass_codec(Counter))
            self.databases[service] = database
        return self.databases[service]

    async def run(self, component: Background) -> Background:
        """Start a component, and stop it at the end of the test."""
        await component.start()
        self.stack.push_async_callback(self.end, component)
        return component

    async def end(self, component: Background) -> None:
        async with asyncio.timeout(30):
            await component.stop()

    async def relay(self, service: str = "payments") -> Relay:
        database = await self.database(service)
        relay = Relay(database, self.broker.uri(service), service, holder=uuid4().hex)
        await self.run(relay)
        return relay

    async def listen(self, *table: Policy, service: str = "notary", port: int | None = None) -> Consumer:
        """Start a service's consumer and inbox worker."""
        database = await self.database(service)
        policies = Policies(service, table)
        processor = MessageProcessor(policies, database.inbox, self.keys(service))
        uri = self.broker.uri(service, port=port)
        consumer = Consumer(database, uri, service, policies, processor)
        await self.run(consumer)
        await self.run(InboxWorker(database, processor, holder=uuid4().hex))
        await eventually(lambda: consumer.ready)
        return consumer

    async def publish(self, *facts: Message, aggregate: str = "a", service: str = "payments") -> None:
        """Run a command whose facts are in the outbox then."""
        await self.database(service)

        def decide(state: Counter | None) -> Decision[Counter]:
            return Decision(
                state=replace(state or Counter(), total=(state or Counter()).total + 1), facts=facts
            )

        cause = Cause(id=cause_id("test", uuid4().hex), now=datetime.now(UTC), correlation="PA-1")
        await execute(self.counters[service], aggregate, decide, cause)

    async def unsent(self, service: str = "payments") -> int:
        unsent = await self.databases[service].outbox.unsent(1000)
        return sum(len(each.entries) for each in unsent)

    def send(
        self,
        message: Message | bytes,
        *,
        user: str = "payments",
        exchange: str = "payments.events",
        key: str = "payment.settled.v1",
        user_id: str | None = "payments",
        **changed: Any,
    ) -> str:
        """Publish a message directly, with changed headers (None removes one); return the event's id."""
        event_id = str(uuid4())
        attributes: dict[str, Any] = {
            headers.ID: event_id,
            headers.SOURCE: f"diwan/{user}",
            headers.TYPE: "diwan.payments.v1.PaymentSettled",
            headers.SPECVERSION: "1.0",
            headers.TIME: "2024-03-01T09:00:00Z",
            headers.SUBJECT: "subject",
            headers.SEQUENCE: "1",
        }
        attributes |= {headers.PREFIX + name: value for name, value in changed.items()}
        attributes = {name: value for name, value in attributes.items() if value is not None}
        body = message if isinstance(message, bytes) else json_format.MessageToJson(message).encode()
        with self.broker.connect(user) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            properties = pika.BasicProperties(
                user_id=user_id, headers=attributes, delivery_mode=2, message_id=event_id
            )
            channel.basic_publish(exchange, key, body, properties, mandatory=True)
        return event_id

    async def parked(self, service: str = "notary") -> list[Any]:
        return (await self.databases[service].inbox.page(parked=True, page_size=100)).items

    def depth(self, queue: str = QUEUE) -> int:
        """Return the number of ready messages in a queue."""
        with self.broker.connect("operator") as connection:
            count: int = connection.channel().queue_declare(queue, passive=True).method.message_count
            return count


@dataclass
class Seen:
    """A handler that records its events, and raises the given failures first."""

    events: list[EventCause[Any]] = field(default_factory=list)
    failures: Sequence[Exception] = ()

    async def handle(self, event: EventCause[Any], message: Message) -> None:
        assert message is event.message
        self.events.append(event)
        if len(self.events) <= len(self.failures):
            raise self.failures[len(self.events) - 1]

    @property
    def numbers(self) -> list[int]:
        return [int(event.message.payment_id) for event in self.events]


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def lines() -> StringIO:
    """The log lines."""
    stream = StringIO()
    log.setup("bench", stream=stream)
    return stream


@pytest.fixture
def spans(lines: StringIO) -> InMemorySpanExporter:
    """The spans of this test, with its own metrics."""
    exporter = InMemorySpanExporter()
    telemetry.install(telemetry.Telemetry("bench", "0", processors=[SimpleSpanProcessor(exporter)]))
    return exporter


@pytest.fixture
def fast_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limit retries to three attempts at intervals of 50 ms."""
    monkeypatch.setattr(message_processor, "ATTEMPTS", 3)
    monkeypatch.setattr(message_processor, "FIRST_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(message_processor, "PAUSE_FACTOR", 1.0)
    monkeypatch.setattr(inbox_worker, "POLL_SECONDS", 0.05)


@pytest.fixture
async def bench(
    broker: Broker,
    store_uri: str,
    store_name: str,
    tmp_path: Path,
    spans: InMemorySpanExporter,
    fast_retries: None,
) -> AsyncIterator[Bench]:
    make_keys(tmp_path, ["identity", "payments", "notary", "notification"])
    async with AsyncExitStack() as stack:
        yield Bench(broker, store_uri, store_name, tmp_path, spans, stack)
    with pymongo.MongoClient[dict[str, object]](store_uri) as client:
        for service in ("identity", "payments", "notary", "notification"):
            client.drop_database(f"{store_name}_{service}")
