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
from chassis.rpc.current import Hash
from chassis.rpc.pipeline import Method, Pipeline
from chassis.settings import ServiceSettings
from chassis.times import Clock, utc_now
from chassis.tokens import TokenKeys

HEALTH_SECONDS: Final = 0.25
"""How soon a change of readiness is told."""

LIVE: Final = "live"
"""Health service that says SERVING for as long as the process answers at all, whatever store and broker do. Who
restarts what does not live asks for this; the server's own health tells whether to send it calls."""

CONNECTION_SECONDS: Final = 20
"""After which a connection is ended in order, give or take a tenth."""

QUIET_SECONDS: Final = 0.5
"""Between two looks whether a server that stops has calls in hand."""

MAX_METADATA_BYTES: Final = 16 * 1024
_KEEPALIVE_MILLISECONDS: Final = 30_000

_log = log.get(__name__)


class _ByName:
    """What generated code adds its methods to: all of a server's are found by their name.

    Generated code would also register each, and gRPC then waits for calls of each one apart. When it stops it heeds the
    first of these that ends and drops the rest: a call that had just come by another is never answered, and its caller
    waits until its deadline (grpcio 1.85; about one stop in forty under calls).
    """

    def __init__(self, server: Any) -> None:
        self.add_generic_rpc_handlers = server.add_generic_rpc_handlers

    def add_registered_method_handlers(self, service: str, handlers: object) -> None:
        """Not taken: they are among the generic ones too."""


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
        """Check all that can be checked before the first call, and refuse to be made if anything is wrong.

        Args:
            name: of the service, the `aud` of its tokens and the `<name>` of the errors' domain `diwan.<name>`.
            settings: where to listen, limits.
            services: descriptor (`x_pb2.DESCRIPTOR.services_by_name["XService"]`) and what answers it: an object
                with an async method for each RPC, taking (request, context). None: health alone.
            errors: the service's closed set.
            keys: checks tokens.
            hashed: keyed hash of requests' contents: `key_ring.KeyRing.keyed_hash`.
            readiness: SERVING only while it is ready.
            clock: UTC.

        Raises:
            AccessNotStatedError: an RPC states no access.
            TypeError: an RPC has no handler, or the error table is wrong.
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
        self._pipeline = Pipeline(name, errors=errors, keys=keys, hashed=hashed, clock=clock)
        self._health = health.aio.HealthServicer()
        self._server: Any = None
        self._watching: asyncio.Task[None] | None = None
        self.port = 0

    async def start(self) -> None:
        """Listen. Health says NOT_SERVING until the process is ready. Raises AddressTaken."""
        self._server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", self._settings.max_message_bytes),
                ("grpc.max_send_message_length", self._settings.max_message_bytes),
                ("grpc.max_metadata_size", MAX_METADATA_BYTES),
                ("grpc.keepalive_time_ms", _KEEPALIVE_MILLISECONDS),
                # Callers look for processes only when they connect anew. So a grown service gets its share of the
                # calls soon, and of a pod that has left the endpoints all have gone before it ends, if it waits
                # for longer than this (the charts' preStopSeconds). Calls in hand end where they began.
                ("grpc.max_connection_age_ms", CONNECTION_SECONDS * 1000),
                # Two processes on one port would share its calls without a word.
                ("grpc.so_reuseport", 0),
            ],
            maximum_concurrent_rpcs=self._settings.max_concurrent_calls,
        )
        self._register()
        await self._health.set(LIVE, health_pb2.HealthCheckResponse.SERVING)
        self.port = self._bind()
        await self._server.start()
        await self._tell()
        self._watching = asyncio.create_task(self._watch())
        _log.info("rpc server listens", port=self.port)

    async def stop(self) -> None:
        """NOT_SERVING, no new calls, and those in hand get their time to end."""
        self._readiness.close()
        if self._watching is not None:
            self._watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watching
        if self._server is not None:
            await self._health.enter_graceful_shutdown()
            await self._drain()

    async def wait(self) -> None:
        """Until the server ends."""
        if self._server is not None:
            # Who gives up waiting must not cancel the future that gRPC's own stop waits for.
            await asyncio.shield(self._server.wait_for_termination())

    async def _drain(self) -> None:
        """Until gRPC has ended, or nothing is in hand any more.

        A call that comes in the very moment in which gRPC shuts its door may stay before it, and is neither given to
        us nor refused (grpcio 1.85; about one stop in a thousand under calls). Cut off, its caller asks another server.
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
        by_name = _ByName(self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, by_name)
        if self._settings.reflection:
            names = [*self._names, health.SERVICE_NAME, reflection.SERVICE_NAME]
            reflection.enable_server_reflection(names, by_name)

    def _bind(self) -> int:
        address = self._settings.grpc_listen
        address = f"[::]{address}" if address.startswith(":") else address
        try:
            return int(self._server.add_insecure_port(address))
        except RuntimeError as error:
            msg = f"cannot listen on {address}: another program may hold the port"
            raise AddressTaken(msg) from error

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(HEALTH_SECONDS)
            await self._tell()

    async def _tell(self) -> None:
        statuses = health_pb2.HealthCheckResponse
        status = statuses.SERVING if self._readiness.ready else statuses.NOT_SERVING
        for name in ("", *self._names):
            await self._health.set(name, status)
