"""The gRPC server of a service."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any, Final

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from chassis import log
from chassis.errors import AddressTaken, ErrorSet, check_errors
from chassis.readiness import Readiness
from chassis.rpc import validation
from chassis.rpc.admission import Admission
from chassis.rpc.current import Hash
from chassis.rpc.pipeline import Method, Pipeline
from chassis.rpc.uploads import Uploads
from chassis.settings import ServiceSettings, UploadSettings
from chassis.times import Clock, utc_now
from chassis.tokens import TokenKeys

HEALTH_SECONDS: Final = 0.25
"""Period at which readiness is copied to gRPC health."""

LIVE: Final = "live"
"""Health service for liveness probes: SERVING while the process answers, also when store or broker are away. The
server's own health is for readiness."""

CONNECTION_SECONDS: Final = 20
"""Age at which the server closes a connection in order, with a jitter of a tenth."""

QUIET_SECONDS: Final = 0.5
"""Period at which a stopping server checks for calls in hand."""

MAX_PENDING_CALLS: Final = 50_000
"""Calls that gRPC keeps before it has passed them to the pipeline."""

MAX_METADATA_BYTES: Final = 16 * 1024
_KEEPALIVE_MILLISECONDS: Final = 30_000

_log = log.get(__name__)


class _GenericHandlersOnly:
    """A server for generated code that adds generic handlers only.

    Generated code would also register each method, and gRPC then waits for the calls of each method separately. At a
    stop it handles the first of these waits that ends and drops the others: a call that has just arrived by another
    method is never answered, and its caller waits until its deadline (grpcio 1.85; about one stop in forty under load).
    """

    def __init__(self, server: Any) -> None:
        self.add_generic_rpc_handlers = server.add_generic_rpc_handlers

    def add_registered_method_handlers(self, service: str, handlers: object) -> None:
        """Ignore them: the generic handlers include them."""


class Server:
    """Serves a service's RPCs, each through the same pipeline, and gRPC health. A component."""

    def __init__(
        self,
        name: str,
        settings: ServiceSettings,
        *,
        services: Sequence[tuple[ServiceDescriptor, object]],
        errors: ErrorSet,
        keys: TokenKeys,
        hashed: Hash,
        readiness: Readiness,
        clock: Clock = utc_now,
    ) -> None:
        """Check everything that can be checked before the first call.

        Args:
            name: of the service: the `aud` of its tokens, and the `<name>` of the errors' domain `diwan.<name>`.
            settings: listening address, limits.
            services: pairs of descriptor (`x_pb2.DESCRIPTOR.services_by_name["XService"]`) and servicer, an object
                with an async method (request, context) for each RPC. Empty: health only.
            errors: the service's error table.
            keys: verifies tokens.
            hashed: keyed hash of requests' contents: `key_ring.KeyRing.keyed_hash`.
            readiness: the server is SERVING only while it is ready.
            clock: UTC.

        Raises:
            AccessNotStatedError: an RPC states no access.
            TypeError: an RPC has no handler, a stream of requests is not a file, or the error table is wrong.
        """
        check_errors(errors)
        self.name = "api" if services else "health"
        self._settings = settings
        self._readiness = readiness
        self._names = [descriptor.full_name for descriptor, _ in services]
        self._methods = {
            descriptor.full_name: [Method.of(method, servicer) for method in descriptor.methods]
            for descriptor, servicer in services
        }
        for method in (method for methods in self._methods.values() for method in methods):
            validation.warm_up(method.request)
        self._pipeline = Pipeline(
            name,
            errors=errors,
            keys=keys,
            hashed=hashed,
            uploads=self._uploads(settings),
            admission=Admission(settings.max_concurrent_calls, settings.max_waiting_calls),
            # The duration of a stream depends on its caller, so slow callers must not occupy the places of other calls.
            stream_admission=Admission(settings.max_concurrent_calls, settings.max_waiting_calls),
            front_services=settings.trusted_front_services,
            clock=clock,
        )
        self._health = health.aio.HealthServicer()
        self._server: Any = None
        self._health_task: asyncio.Task[None] | None = None
        self.port = 0

    def _uploads(self, settings: ServiceSettings) -> Uploads | None:
        if isinstance(settings, UploadSettings):
            return Uploads(settings)
        if files := [one.rpc for methods in self._methods.values() for one in methods if one.uploads]:
            raise TypeError(f"{files[0]} takes a file, so the settings must derive from UploadSettings")
        return None

    async def start(self) -> None:
        """Listen. Health is NOT_SERVING until the process is ready. Raises AddressTaken."""
        self._server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", self._settings.max_message_bytes),
                ("grpc.max_send_message_length", self._settings.max_message_bytes),
                ("grpc.max_metadata_size", MAX_METADATA_BYTES),
                ("grpc.keepalive_time_ms", _KEEPALIVE_MILLISECONDS),
                # Clients with a call in progress ping every 5 s, to notice a process that hangs (rpc.client).
                ("grpc.http2.min_recv_ping_interval_without_data_ms", 4000),
                # Clients resolve names only when they connect. With a maximum age, new pods soon receive their share
                # of the calls, and all clients have left a terminating pod before it ends, if it waits longer than
                # this (the charts' preStopSeconds). Calls in hand finish on their connection.
                ("grpc.max_connection_age_ms", CONNECTION_SECONDS * 1000),
                # With port sharing, a second process on the port would take a part of the calls without an error.
                ("grpc.so_reuseport", 0),
                # gRPC cancels calls that wait to be passed to us at random above a first limit (default 1,000), and
                # all above a second one (3,000): their callers receive a bare CANCELLED. The pipeline refuses calls
                # with a reason, so gRPC's own limit is only for memory.
                ("grpc.server.max_pending_requests", MAX_PENDING_CALLS),
                ("grpc.server.max_pending_requests_hard_limit", MAX_PENDING_CALLS),
            ],
        )
        self._register()
        await self._health.set(LIVE, health_pb2.HealthCheckResponse.SERVING)
        self.port = self._bind()
        await self._server.start()
        await self._publish_health()
        self._health_task = asyncio.create_task(self._keep_health())
        _log.info("rpc server listens", port=self.port)

    async def stop(self) -> None:
        """Set NOT_SERVING, refuse new calls, and wait for those in hand."""
        self._readiness.close()
        if self._health_task is not None:
            self._health_task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._health_task
        if self._server is not None:
            await self._health.enter_graceful_shutdown()
            await self._drain()

    async def wait(self) -> None:
        """Wait until the server ends."""
        if self._server is not None:
            # A cancelled caller must not cancel the future that gRPC's own stop waits for.
            await asyncio.shield(self._server.wait_for_termination())

    async def _drain(self) -> None:
        """Wait until gRPC has stopped, or no call is in hand, then close all connections.

        A call that arrives at the moment of the stop may be neither passed to us nor refused (grpcio 1.85; about one
        stop in a thousand under load). When its connection is closed, its client retries with another server.
        """
        ending = asyncio.create_task(self._server.stop(self._settings.drain_seconds))
        idle = 0
        while idle < 2 and not ending.done():
            await asyncio.wait([ending], timeout=QUIET_SECONDS)
            idle = 0 if self._pipeline.in_hand else idle + 1
        await self._server.stop(None)
        await ending

    def _register(self) -> None:
        handlers = [
            grpc.method_handlers_generic_handler(
                service,
                {method.path.rpartition("/")[2]: self._pipeline.handler(method) for method in methods},
            )
            for service, methods in self._methods.items()
        ]
        self._server.add_generic_rpc_handlers(tuple(handlers))
        server = _GenericHandlersOnly(self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        if self._settings.reflection:
            names = [*self._names, health.SERVICE_NAME, reflection.SERVICE_NAME]
            reflection.enable_server_reflection(names, server)

    def _bind(self) -> int:
        address = self._settings.grpc_listen
        address = f"[::]{address}" if address.startswith(":") else address
        try:
            return int(self._server.add_insecure_port(address))
        except RuntimeError as error:
            msg = f"cannot listen on {address}: another program may hold the port"
            raise AddressTaken(msg) from error

    async def _keep_health(self) -> None:
        while True:
            await asyncio.sleep(HEALTH_SECONDS)
            await self._publish_health()

    async def _publish_health(self) -> None:
        statuses = health_pb2.HealthCheckResponse
        status = statuses.SERVING if self._readiness.ready else statuses.NOT_SERVING
        for name in ("", *self._names):
            await self._health.set(name, status)
