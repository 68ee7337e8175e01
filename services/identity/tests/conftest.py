"""A running identity on a real store and broker, with the registry, the phones and the callers around it."""

import asyncio
import contextlib
import io
import itertools
import json
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pika
import pymongo
import pytest
import pytest_asyncio
from chassis import log, telemetry
from chassis.caller import Caller, Kind
from chassis.components import Component
from chassis.key_ring import Binding, KeyRing
from chassis.messaging import headers
from chassis.process import ROLES, Env
from chassis.readiness import Readiness
from chassis.rpc.client import failure_of
from chassis.service import assemble
from chassis.store import dataclass_codec
from chassis.tokens import generate_key, sign_access
from diwan.identity.v1 import events_pb2, identity_pb2, identity_pb2_grpc
from diwan.registry.v1 import events_pb2 as registry
from google.protobuf import json_format
from google.protobuf.message import Message
from identity.__main__ import build
from identity.errors import ERRORS
from identity.model.officers import Officer
from identity.model.sessions import Holder, start_sign_in
from identity.settings import Settings
from identity.store import SCHEMA_VERSION
from joserfc.jwk import ECKey
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from testkit.broker import Broker
from testkit.keys import make_keys

CLIENTS = ("payments", "notary", "notification", "operator")
AUDIENCES = ("identity", "payments", "notary", "notification")
_numbers = itertools.count(int(datetime.now(UTC).timestamp()) % 5000 * 1000)


class Refusal(Exception):
    """The error of a refused call."""

    def __init__(self, code: str, reason: str, metadata: dict[str, str], text: str) -> None:
        super().__init__(f"{code} {reason} {metadata} {text}")
        self.code = code
        self.reason = reason
        self.metadata = metadata
        self.text = text


@dataclass(frozen=True)
class Person:
    """A person of the registry, with a phone."""

    national_id: str
    mobile: str
    first_name: str = "أحمد"
    mother_first_name: str = "فاطمة"
    full_name: str = "أحمد محمد عبد الله السيد"
    governorate: str = "01"
    person_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @classmethod
    def new(cls) -> "Person":
        number = next(_numbers)
        born = date(1980, 1, 1) + timedelta(days=number // 10_000)
        return cls(f"2{born:%y%m%d}21{number % 10_000:04d}5", f"+2010{number:08d}")


class Clock:
    """The service's clock: the real time plus an offset."""

    def __init__(self) -> None:
        self.offset = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.offset


class Phones:
    """All phones: the messages in notification's queues, opened with notification's keys."""

    def __init__(self, broker: Broker, keys: KeyRing) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._broker = broker
        self._keys = keys
        self._connection: pika.BlockingConnection | None = None
        self.received: list[tuple[str, str, str]] = []
        self.bodies: list[str] = []

    async def code(self, mobile: str, *, seconds: float = 30) -> str:
        """Return the next code for a mobile; TimeoutError when none arrives."""
        end = asyncio.get_running_loop().time() + seconds
        while True:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._drain)
            for message in self.received:
                if message[0] == mobile:
                    self.received.remove(message)
                    return message[2]
            if asyncio.get_running_loop().time() > end:
                raise TimeoutError("no code arrived")
            await asyncio.sleep(0.02)

    async def await_text(self, text: str) -> None:
        """Wait until a message contains this text; TimeoutError when none does."""
        async with asyncio.timeout(30):
            while not any(text in body for body in self.bodies):
                await asyncio.get_running_loop().run_in_executor(self._thread, self._drain)
                await asyncio.sleep(0.02)

    async def silent(self, mobile: str, *, seconds: float = 0.7) -> bool:
        """Return whether no code arrives within so many seconds."""
        try:
            await self.code(mobile, seconds=seconds)
        except TimeoutError:
            return True
        return False

    def close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(pika.exceptions.AMQPError):
                self._thread.submit(self._connection.close).result()
        self._thread.shutdown()

    def _drain(self) -> None:
        if self._connection is None:
            self._connection = self._broker.connect("notification")
        channel = self._connection.channel()
        for queue in ("notification.identity.message", "notification.identity.account"):
            while True:
                method, properties, body = channel.basic_get(queue, auto_ack=True)
                if method is None:
                    break
                self.bodies.append(f"{properties} {body.decode()}")
                if method.routing_key == "message.send.v1":
                    self._receive(properties, body)
        channel.close()

    def _receive(self, properties: Any, body: bytes) -> None:
        attributes = properties.headers
        message = json_format.Parse(body, events_pb2.SendMessage())
        binding = Binding(attributes[headers.ID], attributes[headers.TYPE], attributes[headers.SOURCE])
        content = json_format.Parse(self._keys.open(message.content, binding), events_pb2.MessageContent())
        self.received.append((content.mobile, message.template, content.values["code"]))


class World:
    """The running service, and methods that act as the registry, the phones and the callers."""

    def __init__(self, folder: Path, broker: Broker, store: str, name: str) -> None:
        make_keys(folder, [*AUDIENCES, "registry", "operator"])
        own = folder / "identity"
        self.signing = generate_key()
        _write(own / "signing.jwk", self.signing, private=True)
        (own / "clients").mkdir()
        self.clients = {client: generate_key() for client in CLIENTS}
        for client, key in self.clients.items():
            _write(own / "clients" / f"{client}.jwk", key, private=False)
        self.clock = Clock()
        self.broker = broker
        self.keys = KeyRing("identity", own)
        self.registry_keys = KeyRing("registry", folder / "registry")
        self.phones = Phones(broker, KeyRing("notification", folder / "notification"))
        self.database = pymongo.MongoClient[dict[str, Any]](store)[name]
        self.settings = Settings(
            store_uri=store,
            store_database=name,
            broker_uri=broker.uri("identity"),
            keys_dir=own,
            grpc_listen="127.0.0.1:0",
            services="identity,payments,notary,notification",
            drain_seconds=5,
            front_services="portal",
            starts_per_address=10_000,
        )
        self.logs = io.StringIO()
        self.spans = InMemorySpanExporter()
        processors = [SimpleSpanProcessor(telemetry.MaskingExporter(self.spans))]
        self.telemetry = telemetry.Telemetry("identity", "0", processors=processors)
        self.components: Sequence[Component] = ()

    async def start(self) -> None:
        self.observe()
        self.readiness = Readiness()
        env = Env("identity", self.settings, frozenset(ROLES), self.readiness, self.clock)
        self.components = await assemble(env, build=build, errors=ERRORS, schema_version=SCHEMA_VERSION)
        for component in self.components:
            await component.start()
        self._asking = asyncio.create_task(self.readiness.run())
        port = next(component.port for component in self.components if component.name == "api")  # type: ignore[attr-defined]
        self.channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
        self.stub = identity_pb2_grpc.IdentityServiceStub(self.channel)
        await self.until(lambda: self.readiness.ready)

    def observe(self) -> None:
        """Send log lines and spans here; tests of other packages, run in between, may have redirected them."""
        log.setup("identity", "DEBUG", stream=self.logs)
        telemetry.install(self.telemetry)

    async def stop(self) -> None:
        await self.channel.close()
        self._asking.cancel()
        for component in reversed(self.components):
            await component.stop()
        self.phones.close()
        self.database.client.drop_database(self.database.name)
        self.database.client.close()

    def pass_time(self, **wait: float) -> None:
        """Advance the service's clock."""
        self.clock.offset += timedelta(**wait)

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until a condition is true; TimeoutError after a minute."""
        async with asyncio.timeout(60):
            while not condition():  # noqa: ASYNC110 -- the store sends no notification
                await asyncio.sleep(0.02)

    async def answered(self) -> None:
        """Wait until the server has finished all calls, which may be shortly after their answers arrived."""
        value = self.telemetry.registry.get_sample_value
        await self.until(lambda: value("rpc_server_calls_in_hand") == 0)

    async def call(self, rpc: str, request: Message, token: str = "") -> Any:
        """Call an RPC; a refusal is raised as Refusal."""
        return await self._call(rpc, request, [("authorization", f"Bearer {token}")] if token else [])

    async def _call(self, rpc: str, request: Message, metadata: Sequence[tuple[str, str]]) -> Any:
        try:
            return await getattr(self.stub, rpc)(request, metadata=metadata, timeout=30)
        except grpc.aio.AioRpcError as error:
            failure = failure_of(error)
            text = f"{failure.message} {failure.fields}"
            raise Refusal(failure.code, failure.reason, failure.metadata, text) from None

    async def call_from(self, address: str, rpc: str, request: Message, token: str = "") -> Any:
        """Call an RPC for a user at this address, by default with the portal's token; a refusal is raised."""
        metadata = [
            ("authorization", f"Bearer {token or self.service('portal')}"),
            ("diwan-client-address", address),
        ]
        return await self._call(rpc, request, metadata)

    async def refusal(self, rpc: str, request: Message, token: str = "") -> Refusal:
        """Call an RPC that must be refused; return the refusal."""
        with pytest.raises(Refusal) as refused:
            await self.call(rpc, request, token)
        return refused.value

    async def refused(self, rpc: str, request: Message, token: str = "") -> tuple[str, str]:
        """Call an RPC that must be refused; return code and reason."""
        refusal = await self.refusal(rpc, request, token)
        return refusal.code, refusal.reason

    def token(self, caller: Caller, audience: str = "identity") -> str:
        return sign_access(self.signing, caller, audience=audience, now=self.clock(), jti=str(uuid.uuid4()))

    def officer(self, *roles: str, person: str = "", person_key: str = "", audience: str = "identity") -> str:
        """Return a token of a new officer with these roles, whose record and session are in the store."""
        officer_id = str(uuid.uuid4())
        self.store(
            "officers",
            officer_id,
            Officer(
                officer_id=officer_id,
                staff_number=officer_id[:20].upper(),
                person_key=person_key or str(uuid.uuid4()),
                mobile="+201000000000",
                mobile_key=officer_id,
                roles=tuple(sorted(roles)),
                office_id="cairo-1",
                registered_by="tests",
                registered_at=self.clock(),
                first=False,
            ),
        )
        caller = Caller(
            kind=Kind.OFFICER,
            id=officer_id,
            roles=frozenset(roles),
            office="cairo-1",
            person=person or str(uuid.uuid4()),
            session=self.session(Holder.OFFICER, officer_id),
        )
        return self.token(caller, audience)

    def citizen(self, account_id: str) -> str:
        """Return a token of a new session of an account."""
        session = self.session(Holder.CITIZEN, account_id)
        return self.token(Caller(kind=Kind.CITIZEN, id=account_id, session=session))

    def session(self, holder: Holder, holder_id: str) -> str:
        """Store an open session; return its id."""
        session_id, now = str(uuid.uuid4()), self.clock()
        pending = start_sign_in(
            session_id=session_id,
            holder=holder,
            holder_id=holder_id,
            channel="portal",
            mobile="+201000000000",
            code="123456",
            code_hash="hash",
            now=now,
        ).state
        self.store("sessions", session_id, pending.complete("hash", now).state)
        return session_id

    def store(self, collection: str, document_id: str, state: Any) -> None:
        """Store an aggregate as a command would have."""
        document: dict[str, Any] = {
            "_id": document_id,
            "version": 1,
            "unsent": 0,
            "sequence": 0,
            "state": dataclass_codec(type(state)).encode(state),
            "write_token": f"tests-{document_id}",
            "outbox": [],
            "request_ids": [],
            "requests": {},
            "processed_events": {},
        }
        self.database[collection].insert_one(document)

    def service(self, client: str, acting_for: str = "") -> str:
        return self.token(Caller(kind=Kind.SERVICE, id=client, acting_for=acting_for))

    @staticmethod
    def stranger() -> Person:
        """Return a person that identity does not know."""
        return Person.new()

    async def parked(self, event_id: str) -> str:
        """Wait until an event is parked; return its inbox entry as text."""

        def entries() -> list[str]:
            return [text for entry in self.database["inbox"].find() if event_id in (text := str(entry))]

        await self.until(entries)
        return entries()[0]

    async def registered(self, person: Person | None = None) -> Person:
        """Publish a person, a new one by default, and wait until identity has stored it; return the person."""
        person = person or Person.new()
        self.publish(person)
        await self.until(lambda: self.person(person) is not None)
        return person

    def person(self, person: Person) -> dict[str, Any] | None:
        """Return the stored record of a person, None when there is none."""
        return self.database["persons"].find_one({"state.person_id": person.person_id})

    def publish(
        self, person: Person, *, event_id: str = "", user: str = "registry", ago: timedelta = timedelta()
    ) -> str:
        """Publish a person as the registry's integrator, `ago` before now; return the event's id."""
        event_id = event_id or str(uuid.uuid4())
        kind = registry.PersonRegistered.DESCRIPTOR.full_name
        record = registry.PersonRecord(
            national_id=person.national_id,
            first_name=person.first_name,
            mother_first_name=person.mother_first_name,
            full_name=person.full_name,
            address="١٢ شارع النيل",
            governorate=person.governorate,
        )
        plain = json_format.MessageToJson(record, indent=None)
        sealed = self.registry_keys.seal(plain, "identity", Binding(event_id, kind, "diwan/registry"))
        body = registry.PersonRegistered(person_id=person.person_id, record=sealed)
        properties = pika.BasicProperties(
            message_id=event_id,
            user_id=user,
            content_type=headers.CONTENT_TYPE,
            delivery_mode=headers.PERSISTENT,
            headers=headers.write(
                event_id=event_id,
                publisher="registry",
                kind=kind,
                time=datetime.now(UTC) - ago,
                subject=person.person_id,
            ),
        )
        with self.broker.connect(user) as connection:
            connection.channel().basic_publish(
                "registry.events",
                "person.registered.v1",
                json_format.MessageToJson(body).encode(),
                properties,
            )
        return event_id

    def enrolment(self, person: Person, **other: str) -> identity_pb2.StartEnrolmentRequest:
        """Return a request that enrols this person online."""
        fields = {
            "first_name": person.first_name,
            "mother_first_name": person.mother_first_name,
            "national_id": person.national_id,
            "mobile": person.mobile,
            "channel": "portal",
            "request_id": str(uuid.uuid4()),
        }
        return identity_pb2.StartEnrolmentRequest(**{**fields, **other})

    async def enrolled(self, person: Person | None = None) -> tuple[Person, identity_pb2.Account]:
        """Enrol a person at a counter; return the person and the account."""
        person = await self.registered(person)
        request = self.card(person)
        return person, await self.call("EnrolAtCounter", request, self.officer("clerk"))

    def card(self, person: Person, **other: Any) -> identity_pb2.EnrolAtCounterRequest:
        """Return a request that enrols this person at a counter."""
        fields = {
            "first_name": person.first_name,
            "mother_first_name": person.mother_first_name,
            "national_id": person.national_id,
            "mobile": person.mobile,
            "card_seen": True,
            "request_id": str(uuid.uuid4()),
        }
        return identity_pb2.EnrolAtCounterRequest(**{**fields, **other})

    async def signed_in(self, person: Person) -> identity_pb2.TokenPair:
        """Sign in a person with an account; return the tokens."""
        started = await self.call(
            "StartSignIn",
            identity_pb2.StartSignInRequest(
                request_id=str(uuid.uuid4()), national_id=person.national_id, channel="portal"
            ),
        )
        return await self.call(
            "CompleteSignIn",
            identity_pb2.CompleteSignInRequest(
                request_id=str(uuid.uuid4()),
                sign_in_id=started.sign_in_id,
                code=await self.phones.code(person.mobile),
            ),
        )


def _write(path: Path, key: ECKey, *, private: bool) -> None:
    path.write_text(json.dumps(key.as_dict(private=private)), encoding="utf-8")


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def running(
    tmp_path_factory: pytest.TempPathFactory, broker_node: Broker, store_uri: str
) -> AsyncIterator[World]:
    """Identity, started once for all tests of this folder."""
    broker_node.purge()
    world = World(tmp_path_factory.mktemp("keys"), broker_node, store_uri, f"identity_{uuid.uuid4().hex[:8]}")
    await world.start()
    yield world
    await world.stop()


@pytest.fixture
def world(running: World) -> World:
    """Return identity with the log lines and spans of this test."""
    running.observe()
    return running
