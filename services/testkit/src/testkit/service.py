"""A whole service under test, on a real store and broker; its tests use only gRPC and events.

Tests act for other services, connectors and callers: they publish events as the broker users of these, and sign tokens
with a key that replaces identity's.
"""

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pika
import pymongo
import pytest
import pytest_asyncio
from chassis.caller import Caller, Kind
from chassis.components import Component
from chassis.errors import ErrorSet
from chassis.key_ring import KeyRing
from chassis.messaging import headers, inbound
from chassis.messaging.event_encoder import EventEncoder
from chassis.messaging.publisher import properties_of
from chassis.process import ROLES, Env
from chassis.readiness import Readiness
from chassis.rpc.client import connect
from chassis.rpc.server import Server
from chassis.service import KEPT_KEYS, Build, assemble
from chassis.settings import ServiceSettings
from chassis.store import Cause, EventContext, cause_id
from chassis.tokens import generate_key, public_jwks, sign_access
from diwan.operations.v1 import operations_pb2 as operations
from diwan.operations.v1 import operations_pb2_grpc
from google.protobuf import json_format
from google.protobuf.message import Message

from testkit.broker import Broker
from testkit.keys import make_keys

M = TypeVar("M", bound=Message)
R = TypeVar("R")

PATIENCE_SECONDS = 60.0
_LOOK_SECONDS = 0.05

OPERATOR = Caller(kind=Kind.SERVICE, id="operator")
"""The operator's command line."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One running service.

    Attributes:
        name: the service's name.
        broker: its broker, also used to act for others.
        keys: folder with the keys of all users, `<keys>/<user>`.
        signing: the signing key that replaces identity's.
        env: the service's environment.
        components: its running components.
        channel: gRPC channel to its API.
        sent: connections for publishing as other users, by user.
    """

    name: str
    broker: Broker
    keys: Path
    signing: Any
    env: Env[Any]
    components: list[Component]
    channel: Any
    sent: dict[str, pika.BlockingConnection]

    def bearer(self, caller: Caller | None) -> tuple[tuple[str, str], ...]:
        """Metadata of a call with the caller's token; empty without a caller."""
        if caller is None:
            return ()
        token = sign_access(
            self.signing, caller, audience=self.name, now=datetime.now(UTC), jti=str(uuid.uuid4())
        )
        return (("authorization", f"Bearer {token}"),)

    async def publish(
        self,
        user: str,
        message: Message,
        *,
        subject: str = "",
        number: str = "",
        event_id: str = "",
        seal: bool = True,
    ) -> str:
        """Publish an event or a sealed command like another service's relay; return its id.

        Args:
            user: broker user of the publisher.
            message: the message with sealed fields in plaintext; they are sealed before publishing.
            subject: id of its subject, a new one if not given.
            number: request number of the journey.
            event_id: origin of the event's id: the same value and subject give the same id; a new one if not given.
            seal: False leaves sealed fields in plaintext, like a publisher without keys.
        """
        cause = Cause(
            id=cause_id("trial", event_id or str(uuid.uuid4())), now=datetime.now(UTC), correlation=number
        )
        context = EventContext(subject=subject or str(uuid.uuid4()), sequence=1, cause=cause)
        entry = EventEncoder(user, KeyRing(user, self.keys / user))(message, context)
        if not seal:
            entry = _unsealed(entry, message)
        await asyncio.to_thread(self._send, user, entry)
        return entry.id

    async def taken(
        self,
        queue: str,
        kind: type[M],
        where: Callable[[M], bool] = lambda _: True,
        within_seconds: float = PATIENCE_SECONDS,
    ) -> M:
        """The next message of a queue for which `where` is true, opened with the keys of the queue's reader.

        Messages before it are dropped, because they may be of an earlier test. AssertionError after the limit.
        """
        end = time.monotonic() + within_seconds
        while (left := end - time.monotonic()) > 0:
            for message in await self.all_taken(queue, kind, 1, left):
                if where(message):
                    return message
        raise AssertionError(f"no matching message in {queue} within {within_seconds} s")

    async def all_taken(self, queue: str, kind: type[M], count: int, within_seconds: float) -> list[M]:
        """Up to `count` messages of this kind from a queue that arrive within the limit; others are dropped."""
        return await asyncio.to_thread(self._take, queue, kind, count, within_seconds)

    async def parked(self) -> list[operations.ParkedMessage]:
        """The first 100 parked messages of the service, from its operations API."""
        stub = operations_pb2_grpc.OperationsServiceStub(self.channel)
        response = await stub.ListParked(
            operations.ListParkedRequest(page_size=100), metadata=self.bearer(OPERATOR)
        )
        return list(response.messages)

    async def all_sent(self) -> None:
        """Wait until all events of the service are published: they are then in the queues of their readers."""
        settings = self.env.settings

        def sent() -> bool:
            with pymongo.MongoClient[dict[str, Any]](settings.store_uri) as client:
                database = client[settings.store_database]
                names = database.list_collection_names()
                return not any(database[name].count_documents({"unsent": {"$gt": 0}}) for name in names)

        await eventually(lambda: asyncio.to_thread(sent))

    async def stop(self) -> None:
        """Stop the service, close the connections and drop its database."""
        await self.channel.close()
        for component in reversed(self.components):
            await component.stop()
        for connection in self.sent.values():
            with contextlib.suppress(pika.exceptions.AMQPError):
                connection.close()
        await asyncio.to_thread(self._drop)

    def _drop(self) -> None:
        settings = self.env.settings
        with pymongo.MongoClient[dict[str, Any]](settings.store_uri) as client:
            client.drop_database(settings.store_database)

    def _send(self, user: str, entry: Any) -> None:
        if user not in self.sent or self.sent[user].is_closed:
            self.sent[user] = self.broker.connect(user)
        channel = self.sent[user].channel()
        channel.confirm_delivery()
        channel.basic_publish(
            entry.exchange, entry.key, entry.data.encode(), properties_of(entry, user, entry.traceparent)
        )
        channel.close()

    def _take(self, queue: str, kind: type[M], count: int, within_seconds: float) -> list[M]:
        reader = headers.owner(queue)
        keys = KeyRing(reader, self.keys / reader)
        messages: list[M] = []
        end = time.monotonic() + within_seconds
        with self.broker.connect(reader) as connection:
            channel = connection.channel()
            while len(messages) < count and time.monotonic() < end:
                method, properties, body = channel.basic_get(queue, auto_ack=True)
                if method is None:
                    time.sleep(_LOOK_SECONDS)
                    continue
                read = inbound.read(
                    queue, method.exchange, properties.user_id, properties.headers or {}, body
                )
                if read.type == kind.DESCRIPTOR.full_name:
                    message = inbound.parse(read, kind, keys)
                    assert isinstance(message, kind)
                    messages.append(message)
        return messages


async def begin(
    name: str,
    settings_class: type[ServiceSettings],
    build: Build[Any],
    *,
    errors: ErrorSet,
    schema_version: int,
    broker: Broker,
    store_uri: str,
    folder: Path,
    identity_target: str = "127.0.0.1:9",
) -> Trial:
    """Start a service on a real store and broker, with keys for all users, and wait until it is ready.

    Without a target identity is unavailable; its stored public keys are enough to check tokens.
    """
    make_keys(folder / "keys", broker.topology.users)
    signing = generate_key()
    (folder / KEPT_KEYS).write_text(public_jwks([signing]), encoding="utf-8")
    values: dict[str, Any] = {
        "broker_uri": broker.uri(name),
        "store_uri": store_uri,
        "store_database": f"test_{uuid.uuid4().hex[:12]}",
        "keys_dir": folder / "keys" / name,
        "state_dir": folder,
        "identity_target": identity_target,
    }
    env = Env(name, settings_class(**values), frozenset(ROLES), Readiness(), lambda: datetime.now(UTC))
    components = list(await assemble(env, build=build, errors=errors, schema_version=schema_version))
    for component in components:
        await component.start()
    server = next(component for component in components if isinstance(component, Server))
    await eventually(env.readiness.check)
    return Trial(
        name=name,
        broker=broker,
        keys=folder / "keys",
        signing=signing,
        env=env,
        components=components,
        channel=connect(f"127.0.0.1:{server.port}", deadline_seconds=PATIENCE_SECONDS),
        sent={},
    )


def service_fixture(
    name: str,
    settings_class: type[ServiceSettings],
    build: Build[Any],
    *,
    errors: ErrorSet,
    schema_version: int,
) -> Any:
    """A pytest fixture for a service's `conftest.py`: the service on a real store and broker, one for each module."""

    @pytest_asyncio.fixture(scope="module", loop_scope="module")
    async def trial(
        broker_node: Broker, store_uri: str, tmp_path_factory: pytest.TempPathFactory
    ) -> AsyncIterator[Trial]:
        broker_node.purge()
        running = await begin(
            name,
            settings_class,
            build,
            errors=errors,
            schema_version=schema_version,
            broker=broker_node,
            store_uri=store_uri,
            folder=tmp_path_factory.mktemp(name),
        )
        yield running
        await running.stop()

    return trial


async def eventually(ask: Callable[[], Awaitable[R]], within_seconds: float = PATIENCE_SECONDS) -> R:
    """Await `ask()` until its result is true, and return it; AssertionError with the last result after the limit."""
    end = time.monotonic() + within_seconds
    while True:
        result = await ask()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"not within {within_seconds} s: {result!r}")
        await asyncio.sleep(_LOOK_SECONDS)


def _unsealed(entry: Any, message: Message) -> Any:
    return replace(entry, data=json_format.MessageToJson(message, indent=None, ensure_ascii=False))
