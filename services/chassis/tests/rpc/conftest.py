"""A harness: a real server of a trial service, with clients, keys, spans and log lines."""

import asyncio
import hashlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from chassis import log, telemetry
from chassis.caller import Caller, Kind
from chassis.domain import DomainError
from chassis.readiness import Readiness
from chassis.rpc.client import connect
from chassis.rpc.current import call
from chassis.rpc.server import Server
from chassis.settings import ServiceSettings, UploadSettings
from chassis.tokens import TokenKeys, generate_key, public_jwks, sign_access, verify_assertion
from diwan.identity.v1 import identity_pb2, identity_pb2_grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from grpc_tools import protoc
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

HERE = Path(__file__).parent
ROOT = HERE.parents[3]


class TrialRefusal(DomainError):
    reason = "TRIAL_REFUSED"
    code = "FAILED_PRECONDITION"

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message, field=field, limit="3")


class TrialGone(TrialRefusal):
    reason = "TRIAL_GONE"
    code = "NOT_FOUND"


ERRORS = frozenset({TrialRefusal, TrialGone})


@pytest.fixture(scope="session")
def trial(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """The compiled trial proto: its messages and service descriptors."""
    name = "diwan/trial/v1/trial.proto"
    folder = tmp_path_factory.mktemp("protos")
    source = folder / name
    source.parent.mkdir(parents=True)
    source.write_text((HERE / "trial.proto").read_text())
    out = folder / "trial.binpb"
    roots = [folder, ROOT / "protos", ROOT / "third_party/protos", files("grpc_tools") / "_proto"]
    assert protoc.main(["protoc", *(f"-I{root}" for root in roots), f"--descriptor_set_out={out}", name]) == 0
    import diwan.options.v1.options_pb2
    import diwan.rules.v1.rules_pb2  # noqa: F401 -- both add to the pool that the trial proto needs

    pool = descriptor_pool.Default()
    for described in descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file:
        pool.AddSerializedFile(described.SerializeToString())
    return SimpleNamespace(
        Request=message_factory.GetMessageClass(pool.FindMessageTypeByName("diwan.trial.v1.TrialRequest")),
        Response=message_factory.GetMessageClass(pool.FindMessageTypeByName("diwan.trial.v1.TrialResponse")),
        UploadRequest=message_factory.GetMessageClass(
            pool.FindMessageTypeByName("diwan.trial.v1.TrialUploadRequest")
        ),
        formless=pool.FindServiceByName("diwan.trial.v1.FormlessService"),
        service=pool.FindServiceByName("diwan.trial.v1.TrialService"),
        silent=pool.FindServiceByName("diwan.trial.v1.SilentService"),
    )


class Servicer:
    """Runs the function that the request's `deed` names."""

    def __init__(self, response: type[Any]) -> None:
        self.response = response
        self.deeds: dict[str, Callable[[Any], Awaitable[Any]]] = {}
        self.calls: list[Any] = []
        self.uploads: list[Any] = []

    async def Open(self, request: Any, context: Any) -> Any:
        self.calls.append(call())
        if request.deed in self.deeds:
            return self.response(text=str(await self.deeds[request.deed](request)))
        return self.response(text=call().caller.id)

    Own = Decide = Appoint = Feed = Open

    async def Download(self, request: Any, context: Any) -> AsyncIterator[Any]:
        for number in range(3):
            yield self.response(text=f"{call().caller.id}-{number}")
        if request.deed in self.deeds:
            await self.deeds[request.deed](request)

    async def Upload(self, upload: Any, context: Any) -> Any:
        self.uploads.append(call().request(upload.header, answer=lambda state: state))
        return self.response(text=hashlib.sha256(upload.file.read()).hexdigest())


class Identity(identity_pb2_grpc.IdentityServiceServicer):
    """An identity service that publishes its key, and issues tokens to a client with the key of `notary`."""

    def __init__(self, key, client_key):
        self.key, self.client_key = key, client_key

    async def ListSigningKeys(self, request, context):
        return identity_pb2.ListSigningKeysResponse(jwks=public_jwks([self.key]))

    async def IssueServiceToken(self, request, context):
        now = datetime.now(UTC)
        verify_assertion(request.client_assertion, [self.client_key], "notary", now)
        caller = Caller(kind=Kind.SERVICE, id="notary", acting_for=request.acting_for)
        answer = identity_pb2.IssueServiceTokenResponse(
            access_token=sign_access(self.key, caller, audience=request.audience, now=now, jti="j")
        )
        answer.expire_time.FromDatetime(now + timedelta(minutes=15))
        return answer


class Harness:
    """A running server, its keys, and clients of it."""

    def __init__(self, trial: SimpleNamespace, settings: ServiceSettings) -> None:
        self.trial = trial
        self.key = generate_key()
        self.readiness = Readiness()
        self.servicer = Servicer(trial.Response)
        self.settings = settings
        self.keys = TokenKeys.own("trial", self.key)
        self.server = self.make([(trial.service, self.servicer)])
        self.channels: list[Any] = []

    def make(self, services: Any, errors: Any = ERRORS) -> Server:
        return Server(
            "trial",
            self.settings,
            services=services,
            errors=errors,
            keys=self.keys,
            hashed=lambda value, purpose: hashlib.sha256(purpose.encode() + value).hexdigest(),
            readiness=self.readiness,
        )

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.server.port}"

    def channel(self, tokens: Any = None) -> Any:
        self.channels.append(connect(self.target, tokens, audience="trial"))
        return self.channels[-1]

    def plain(self) -> Any:
        self.channels.append(grpc.aio.insecure_channel(self.target))
        return self.channels[-1]

    def rpc(self, name: str, channel: Any = None) -> Any:
        """Return the multi-callable of an RPC, by default on a channel without interceptors."""
        channel = channel or self.plain()
        kinds = {"Download": channel.unary_stream, "Upload": channel.stream_unary}
        kind = kinds.get(name, channel.unary_unary)
        return kind(
            f"/diwan.trial.v1.TrialService/{name}",
            request_serializer=lambda message: (
                message if isinstance(message, bytes) else message.SerializeToString()
            ),
            response_deserializer=self.trial.Response.FromString,
        )

    def request(self, **fields: Any) -> Any:
        return self.trial.Request(**({"request_id": str(uuid.uuid4())} | fields))

    def token(self, kind: str = "citizen", who: str = "a-1", audience: str = "trial", **more: Any) -> str:
        key = more.pop("key", self.key)
        now = more.pop("now", datetime.now(UTC))
        caller = Caller(kind=Kind(kind), id=who, **more)
        return sign_access(key, caller, audience=audience, now=now, jti=str(uuid.uuid4()))

    def bearer(self, *args: Any, **kwargs: Any) -> tuple[tuple[str, str], ...]:
        return (("authorization", "Bearer " + self.token(*args, **kwargs)),)

    async def ended(self) -> None:
        """Wait until the server has finished all calls, which may be shortly after their answers arrived."""
        async with asyncio.timeout(30):
            while self.server._pipeline.in_hand:  # noqa: ASYNC110 -- a counter sends no notification
                await asyncio.sleep(0.005)

    async def refused(self, call: Any) -> grpc.aio.AioRpcError:
        """Await a call that must fail; return its error."""
        try:
            if hasattr(call, "__aiter__"):
                _ = [one async for one in call]
            else:
                await call
        except grpc.aio.AioRpcError as error:
            return error
        pytest.fail("the call succeeded")


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    """The finished spans, as they are exported."""
    exporter = InMemorySpanExporter()
    processor = SimpleSpanProcessor(telemetry.MaskingExporter(exporter))
    telemetry.install(telemetry.Telemetry("trial", "1", processors=[processor]))
    yield exporter
    telemetry.install(telemetry.Telemetry("unknown", "0"))


@pytest.fixture
def lines() -> Iterator[StringIO]:
    """The log lines."""
    import logging

    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    stream = StringIO()
    log.setup("trial", "DEBUG", stream)
    yield stream
    root.handlers = handlers
    root.setLevel(level)


@pytest.fixture
def settings(tmp_path: Path) -> ServiceSettings:
    return UploadSettings(
        broker_uri="amqp://localhost",
        store_uri="mongodb://localhost",
        store_database="trial",
        keys_dir=tmp_path,
        grpc_listen="127.0.0.1:0",
        drain_seconds=30,
        max_message_bytes=64 * 1024,
        max_upload_bytes=1024 * 1024,
    )


@pytest.fixture
async def harness(
    trial: SimpleNamespace,
    settings: ServiceSettings,
    spans: InMemorySpanExporter,
    lines: StringIO,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Harness]:
    # Enough for a machine that runs many tests in parallel.
    monkeypatch.setattr("chassis.rpc.client.DEADLINE_SECONDS", 30.0)
    harness = Harness(trial, settings)
    await harness.server.start()
    await harness.readiness.check()
    yield harness
    await asyncio.gather(*(channel.close() for channel in harness.channels))
    await harness.server.stop()
