"""The steps of every incoming call: telemetry, deadline, access, validation, errors."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.rpc import status_pb2
from grpc_status import rpc_status
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from chassis import log, telemetry
from chassis.caller import ANONYMOUS, Caller, Kind
from chassis.errors import (
    CODES,
    DeadlineExceeded,
    ErrorSet,
    Unimplemented,
    UpstreamRefused,
    UpstreamUnavailable,
    code_of,
    reason_of,
    to_status,
)
from chassis.masks import mask_text
from chassis.rpc import validation
from chassis.rpc.access import Access
from chassis.rpc.admission import Admission
from chassis.rpc.authentication import authenticate, authorise
from chassis.rpc.client import failure_of
from chassis.rpc.client_address import client_network
from chassis.rpc.current import Call, Hash, begin
from chassis.rpc.propagation import REQUEST_NUMBER, set_deadline
from chassis.rpc.uploads import UPLOAD_SECONDS, Uploads, check_form
from chassis.times import Clock
from chassis.tokens import TokenKeys

DEFAULT_SECONDS: Final = 10.0
"""Time limit of a call without a deadline."""

MAX_SECONDS: Final = 30.0
"""Longest time limit of a call that uploads no file, also with a later deadline."""

_MAX_REQUEST_NUMBER: Final = 64
_SERVER_FAULTS: Final = frozenset(
    {"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}
)
"""Codes of server errors, for the span's status (OpenTelemetry semantic conventions for RPC)."""

_TRANSIENT: Final = frozenset(
    {"UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ABORTED", "CANCELLED"}
)
"""Codes of another service that a retry may repair. CANCELLED: it stops, and had not begun our call."""

_REFUSALS: Final = frozenset(
    {"INVALID_ARGUMENT", "NOT_FOUND", "ALREADY_EXISTS", "FAILED_PRECONDITION", "OUT_OF_RANGE"}
)
"""Codes by which another service refuses what it was asked. The other codes are faults of it or of the deployment."""

_log = log.get(__name__)


@dataclass(frozen=True)
class Method:
    """One RPC: its names, its request class, its access, its handler.

    The handler takes (request, context) and returns the response or, if the RPC `streams`, yields responses; if the
    RPC `uploads`, it takes (`uploads.Upload`, context).
    """

    rpc: str
    path: str
    request: type[Message]
    access: Access
    handler: Callable[[Any, Any], Any]
    streams: bool
    uploads: bool

    @classmethod
    def of(cls, descriptor: MethodDescriptor, servicer: object) -> "Method":
        """Read it from its proto; TypeError when the servicer has no handler for it, or its streams are not served."""
        handler = getattr(servicer, descriptor.name, None)
        if not callable(handler):
            msg = f"{type(servicer).__name__} has no {descriptor.name}, which {descriptor.full_name} declares"
            raise TypeError(msg)
        if descriptor.client_streaming and descriptor.server_streaming:
            msg = f"{descriptor.full_name} takes and returns a stream, which this server does not serve"
            raise TypeError(msg)
        if descriptor.client_streaming:
            check_form(descriptor.input_type)
        service = descriptor.containing_service.full_name
        return cls(
            rpc=descriptor.full_name,
            path=f"{service}/{descriptor.name}",
            request=message_factory.GetMessageClass(descriptor.input_type),
            access=Access.of(descriptor),
            handler=handler,
            streams=descriptor.server_streaming,
            uploads=descriptor.client_streaming,
        )


@dataclass
class _Outcome:
    """Outcome of a call, for its span, metrics and log line."""

    code: str = "OK"
    reason: str = ""
    caller: Caller = ANONYMOUS
    ends: float = 0.0


class Pipeline:
    """Creates the gRPC handlers of a service's methods."""

    def __init__(
        self,
        service: str,
        *,
        errors: ErrorSet,
        keys: TokenKeys,
        hashed: Hash,
        uploads: Uploads | None,
        admission: Admission,
        stream_admission: Admission,
        front_services: Collection[str],
        clock: Clock,
    ) -> None:
        self._service = service
        self._errors = errors
        self._keys = keys
        self._hashed = hashed
        self._uploads = uploads
        self._admission = admission
        self._stream_admission = stream_admission
        self._front_services = front_services
        self._clock = clock
        self._tracer = telemetry.current().tracer
        self._seconds = telemetry.current().histogram(
            "rpc_server_call_duration_seconds",
            "Duration of an incoming call.",
            ("rpc_method", "rpc_response_status_code"),
        )
        self._gauge = telemetry.current().gauge("rpc_server_calls_in_hand", "Calls in progress.")
        self.in_hand = 0
        """Number of calls in progress."""

    def handler(self, method: Method) -> Any:
        """The gRPC handler of a method. It takes bytes, so that a malformed request is INVALID_ARGUMENT."""
        if method.uploads and self._uploads:
            return grpc.stream_unary_rpc_method_handler(self._uploading(method, self._uploads))
        if method.streams:
            return grpc.unary_stream_rpc_method_handler(self._streaming(method))
        return grpc.unary_unary_rpc_method_handler(self._unary(method))

    def _unary(self, method: Method) -> Callable[[bytes, Any], Awaitable[bytes]]:
        async def handle(raw: bytes, context: Any) -> bytes:
            async with self._observed(method, context) as outcome:
                await self._admit(method, context, outcome)
                request = validation.parse(method.request, raw)
                response: Message = await method.handler(request, context)
                return response.SerializeToString()
            raise AssertionError  # the block above returns or aborts

        return handle

    def _streaming(self, method: Method) -> Callable[[bytes, Any], AsyncIterator[bytes]]:
        async def handle(raw: bytes, context: Any) -> AsyncIterator[bytes]:
            async with self._observed(method, context) as outcome:
                await self._admit(method, context, outcome)
                request = validation.parse(method.request, raw)
                async for response in method.handler(request, context):
                    yield response.SerializeToString()

        return handle

    def _uploading(
        self, method: Method, uploads: Uploads
    ) -> Callable[[AsyncIterator[bytes], Any], Awaitable[bytes]]:
        async def handle(messages: AsyncIterator[bytes], context: Any) -> bytes:
            async with self._observed(method, context) as outcome:
                await self._admit(method, context, outcome)
                with uploads.place(outcome.caller.key), uploads.file() as file:
                    upload = await uploads.receive(method.request, messages, file)
                    await self._keys.refuse_revoked(outcome.caller)  # a file may take minutes
                    response: Message = await method.handler(upload, context)
                    return response.SerializeToString()
            raise AssertionError  # the block above returns or aborts

        return handle

    async def _admit(self, method: Method, context: Any, outcome: _Outcome) -> None:
        """Authenticate and authorise before the request is read: an unauthorised caller gets no hint of its rules."""
        metadata = _metadata(context)
        caller = outcome.caller = await authenticate(self._keys, method.access, metadata)
        set_deadline(outcome.ends)
        await authorise(self._keys, method.access, caller, metadata)
        number = metadata.get(REQUEST_NUMBER, "") if caller.kind is Kind.SERVICE else ""
        number = number if len(number) <= _MAX_REQUEST_NUMBER else ""
        log.correlate(number)
        begin(
            Call(
                caller=caller,
                rpc=method.rpc,
                now=self._clock(),
                correlation=number,
                hashed=self._hashed,
                client=await client_network(self._keys, self._front_services, metadata, context.peer())
                if method.access.anyone
                else "",
            )
        )

    @asynccontextmanager
    async def _observed(self, method: Method, context: Any) -> AsyncIterator[_Outcome]:
        """Surround one call with span, deadline, metrics and log line; translate an exception into its status."""
        outcome = _Outcome()
        started = time.perf_counter()
        with self._span(method, context) as span, self._gauge.track_inprogress():
            self.in_hand += 1
            try:
                limit = _limit(context, method)
                outcome.ends = asyncio.get_running_loop().time() + limit
                streams = method.streams or method.uploads
                admission = self._stream_admission if streams else self._admission
                async with _timed(limit), admission.place(limit):
                    yield outcome
            except (asyncio.CancelledError, GeneratorExit):
                outcome.code = outcome.reason = "CANCELLED"
                raise
            except grpc.aio.AbortError:
                outcome.code = outcome.reason = _name(context.code())
                raise
            except Exception as error:  # noqa: BLE001 -- every exception has its status, without its text
                status = self._status_of(error, outcome)
                await context.abort_with_status(rpc_status.to_status(status))
            finally:
                self.in_hand -= 1
                self._record_end(method, span, outcome, time.perf_counter() - started)

    def _span(self, method: Method, context: Any) -> Any:
        return self._tracer.start_as_current_span(
            method.path,
            context=telemetry.parent(_metadata(context).get("traceparent")),
            kind=SpanKind.SERVER,
            attributes={"rpc.system.name": "grpc", "rpc.method": method.path},
            record_exception=False,
            set_status_on_exception=False,
        )

    def _status_of(self, error: Exception, outcome: _Outcome) -> status_pb2.Status:
        translated = _translated(error)
        outcome.code = code_of(translated, self._errors)
        outcome.reason = reason_of(translated, self._errors)
        if isinstance(translated, UpstreamRefused):
            # The service should have translated the refusal to one of its own.
            _log.warning("another service refused", **translated.metadata)
        if outcome.code == "INTERNAL":
            _log.error("rpc failed", error=type(error).__qualname__, exc_info=error)
        return to_status(translated, self._service, self._errors)

    def _record_end(self, method: Method, span: Span, outcome: _Outcome, seconds: float) -> None:
        span.set_attribute("rpc.response.status_code", outcome.code)
        span.set_attribute("diwan.caller.kind", str(outcome.caller.kind))
        if outcome.code != "OK":
            span.set_attribute("error.type", outcome.reason)
        if outcome.code in _SERVER_FAULTS:
            span.set_status(Status(StatusCode.ERROR, mask_text(outcome.reason)))
        # The trace's id is an exemplar: it links a bucket to a trace.
        trace_id = f"{span.get_span_context().trace_id:032x}"
        self._seconds.labels(method.path, outcome.code).observe(seconds, {"trace_id": trace_id})
        _log.info(
            "rpc",
            method=method.path,
            status=outcome.code,
            reason=outcome.reason or None,
            milliseconds=round(seconds * 1000, 2),
            caller_kind=str(outcome.caller.kind),
            caller_id=outcome.caller.id or None,
        )


@asynccontextmanager
async def _timed(seconds: float) -> AsyncIterator[None]:
    """Like asyncio.timeout, but raises DeadlineExceeded, which differs from a library's TimeoutError."""
    timer = asyncio.timeout(seconds)
    try:
        async with timer:
            yield
    except TimeoutError as error:
        if timer.expired():
            raise DeadlineExceeded("The call's time is over") from error
        raise


def _limit(context: Any, method: Method) -> float:
    default, maximum = (UPLOAD_SECONDS, UPLOAD_SECONDS) if method.uploads else (DEFAULT_SECONDS, MAX_SECONDS)
    remaining = context.time_remaining()
    # Without a deadline some versions return None, others a very large number of seconds.
    if remaining is None or remaining > 365 * 24 * 3600:
        return default
    return min(float(remaining), maximum)


def _translated(error: Exception) -> Exception:
    """A library's exception as the chassis's error with a reason; others unchanged."""
    if isinstance(error, NotImplementedError):
        return Unimplemented("This RPC is not served")
    if isinstance(error, grpc.RpcError) and _name(error.code()) in _TRANSIENT:
        return UpstreamUnavailable("A service that is needed for the answer does not answer")
    if isinstance(error, grpc.RpcError) and _name(error.code()) in _REFUSALS:
        failure = failure_of(error)
        return UpstreamRefused(upstream_reason=failure.reason or failure.code, upstream_domain=failure.domain)
    return error


def _metadata(context: Any) -> dict[str, str]:
    """The call's text metadata; of repeated keys the first value."""
    pairs: Sequence[tuple[str, str | bytes]] = context.invocation_metadata() or ()
    return {key: value for key, value in reversed(pairs) if isinstance(value, str)}


def _name(code: Any) -> str:
    name = getattr(code, "name", None)
    if isinstance(name, str):
        return name
    return next((name for name, number in CODES.items() if number == code), "UNKNOWN")
