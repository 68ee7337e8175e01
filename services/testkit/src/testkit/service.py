"""A whole service as its tests meet it: on a real store and broker, spoken to by gRPC and events alone.

Other services, connectors and callers are played: their events are published under their
own broker users, their tokens signed with the key that stands for identity's.
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
        name: of the service.
        broker: its broker, for playing others.
        keys: folder with everybody's keys, `<keys>/<user>`.
        signing: the key that stands for identity's.
        env: as the service was given it.
        components: that run.
        channel: to its API.
        sent: connections on which others publish, by user.
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
        """Metadata of a call; nobody's without a caller."""
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
        """Publish an event, or a sealed command, as another's relay does; returns its id.

        Args:
            user: who publishes.
            message: its sealed fields in plain: they are sealed on the way.
            subject: id of what it is about, a new one if not given.
            number: request number of the journey.
            event_id: publish an event with this id (again), a new one if not given.
            seal: False leaves sealed fields as they are, as somebody would who has no key.
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
        """The next message `where` says so that the service sent to a queue's reader, opened with its keys.

        Others before it are thrown away: what an earlier test left must not be taken for this one's.
        """
        end = time.monotonic() + within_seconds
        while (left := end - time.monotonic()) > 0:
            for found in await self.all_taken(queue, kind, 1, left):
                if where(found):
                    return found
        raise AssertionError(f"what is waited for did not come to {queue} within {within_seconds} s")

    async def all_taken(self, queue: str, kind: type[M], count: int, within_seconds: float) -> list[M]:
        """Up to `count` messages of a queue, as many as come in time."""
        return await asyncio.to_thread(self._take, queue, kind, count, within_seconds)

    async def parked(self) -> list[operations.ParkedMessage]:
        """What the service parked, as its operator sees it."""
        stub = operations_pb2_grpc.OperationsServiceStub(self.channel)
        answer = await stub.ListParked(
            operations.ListParkedRequest(page_size=100), metadata=self.bearer(OPERATOR)
        )
        return list(answer.messages)

    async def all_sent(self) -> None:
        """Wait until the service has nothing left to send: all that it said so far lies in its readers' queues."""
        settings = self.env.settings

        def sent() -> bool:
            with pymongo.MongoClient[dict[str, Any]](settings.store_uri) as client:
                database = client[settings.store_database]
                names = database.list_collection_names()
                return not any(database[name].count_documents({"unsent": {"$gt": 0}}) for name in names)

        await eventually(lambda: asyncio.to_thread(sent))

    async def stop(self) -> None:
        """Stop the service, drop its database and leave."""
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
        found: list[M] = []
        end = time.monotonic() + within_seconds
        with self.broker.connect(reader) as connection:
            channel = connection.channel()
            while len(found) < count and time.monotonic() < end:
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
                    found.append(message)
        return found


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
    """Start a service of its own on a real store and broker, with keys for every user, and wait until ready.

    Identity is away unless its target is given: its kept keys are enough to check tokens.
    """
    make_keys(folder / "keys", broker.topology.users)
    signing = generate_key()
    (folder / KEPT_KEYS).write_text(public_jwks([signing]), encoding="utf-8")
    given: dict[str, Any] = {
        "broker_uri": broker.uri(name),
        "store_uri": store_uri,
        "store_database": f"test_{uuid.uuid4().hex[:12]}",
        "keys_dir": folder / "keys" / name,
        "state_dir": folder,
        "identity_target": identity_target,
    }
    env = Env(name, settings_class(**given), frozenset(ROLES), Readiness(), lambda: datetime.now(UTC))
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
    """A fixture for a service's `conftest.py`: the service on a real store and broker, one for each module."""

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
    """Ask until the answer is true; AssertionError with the last answer when it never is."""
    end = time.monotonic() + within_seconds
    while True:
        answer = await ask()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"not within {within_seconds} s: {answer!r}")
        await asyncio.sleep(_LOOK_SECONDS)


def _unsealed(entry: Any, message: Message) -> Any:
    return replace(entry, data=json_format.MessageToJson(message, indent=None, ensure_ascii=False))
