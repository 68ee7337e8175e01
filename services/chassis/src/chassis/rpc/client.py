"""Clients of other services: load balancing, deadlines, retries, traces, tokens."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import grpc
from diwan.identity.v1 import identity_pb2, identity_pb2_grpc
from google.rpc import error_details_pb2, status_pb2
from opentelemetry.trace import SpanKind

from chassis import log, telemetry
from chassis.rpc.propagation import REQUEST_NUMBER, remaining
from chassis.times import to_datetime
from chassis.tokens import ServiceTokens, acting_for
from chassis.tokens.keys import Fetch, Verify
from chassis.tokens.service import Exchange

DEADLINE_SECONDS: Final = 5.0
"""Time-out of a call without one; never more than the rest of the call in hand."""

_STATUS_KEY: Final = "grpc-status-details-bin"
SERVICE_CONFIG: Final = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [
        {
            "name": [{}],
            # Without waitForReady: a service answers UNAVAILABLE to its caller in time, and the caller waits.
            # Safe for changing calls too: their request id makes them idempotent. A stopping server returns CANCELLED
            # for calls that it has not begun; a call cancelled by its own client is not retried.
            "retryPolicy": {
                # Four seconds in all: longer than a new name look-up and connect.
                "maxAttempts": 5,
                "initialBackoff": "0.2s",
                "maxBackoff": "2s",
                "backoffMultiplier": 2.5,
                "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
            },
        }
    ],
    # After 500 failures no call is retried until ten times as many have succeeded: retries never double an overload.
    "retryThrottling": {"maxTokens": 1000, "tokenRatio": 0.1},
}
CHANNEL_OPTIONS: Final = {
    # A name that appears late (programs start in any order) is resolved within seconds, not minutes, and an address
    # that answers again is used again as soon.
    "grpc.max_reconnect_backoff_ms": 2000,
    "grpc.dns_min_time_between_resolutions_ms": 2000,
    # A connection whose process hangs is closed after eight seconds, and its calls are retried elsewhere.
    "grpc.keepalive_time_ms": 5000,
    "grpc.http2.ping_timeout_ms": 3000,
    "grpc.http2.max_pings_without_data": 0,
}
"""Options of every client; docs/operate.md publishes them with their purpose."""


def connect(
    target: str,
    tokens: ServiceTokens | None = None,
    *,
    audience: str = "",
    max_message_bytes: int = 4 << 20,
    deadline_seconds: float | None = None,
) -> Any:
    """A `grpc.aio.Channel` to another service, for that service's stub; to be closed by the caller.

    Args:
        target: such as `dns:///notary:50051`; calls are balanced among the addresses of the name.
        tokens: the caller's own tokens; without them calls are anonymous.
        audience: audience of the tokens; the service in the RPC's package (`diwan.<service>.v1`) if not given.
        max_message_bytes: largest response.
        deadline_seconds: time-out of a call without one; DEADLINE_SECONDS if not given.
    """
    return grpc.aio.insecure_channel(
        target,
        options=[
            ("grpc.service_config", json.dumps(SERVICE_CONFIG)),
            ("grpc.enable_retries", 1),
            ("grpc.max_receive_message_length", max_message_bytes),
            *CHANNEL_OPTIONS.items(),
        ],
        interceptors=[kind(tokens, audience, deadline_seconds) for kind in (_Unary, _Streaming)],
    )


def identity_keys(channel: Any) -> Fetch:
    """The `fetch` of `TokenKeys`, over a channel to identity."""
    stub = identity_pb2_grpc.IdentityServiceStub(channel)

    async def fetch() -> str:
        response = await stub.ListSigningKeys(identity_pb2.ListSigningKeysRequest())
        return str(response.jwks)

    return fetch


def identity_verify(channel: Callable[[], Any]) -> Verify:
    """The `verify` of `TokenKeys`; `channel` returns a channel to identity with the service's own token."""

    async def verify(token: str) -> bool:
        stub = identity_pb2_grpc.IdentityServiceStub(channel())
        response = await stub.VerifyAccessToken(identity_pb2.VerifyAccessTokenRequest(access_token=token))
        return bool(response.active)

    return verify


def identity_exchange(channel: Any) -> Exchange:
    """The `exchange` of `ServiceTokens`, over a channel to identity."""
    stub = identity_pb2_grpc.IdentityServiceStub(channel)

    async def exchange(assertion: str, audience: str, account: str) -> tuple[str, Any]:
        response = await stub.IssueServiceToken(
            identity_pb2.IssueServiceTokenRequest(
                client_assertion=assertion, audience=audience, acting_for=account
            )
        )
        return response.access_token, to_datetime(response.expire_time)

    return exchange


@dataclass(frozen=True)
class Failure:
    """The status of a failed call.

    Attributes:
        code: canonical code, by name.
        reason, domain, metadata: of its ErrorInfo; empty without one.
        fields: path and rule of each violation of its BadRequest.
        message: for developers, in English.
    """

    code: str
    reason: str = ""
    domain: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    fields: tuple[tuple[str, str], ...] = ()
    message: str = ""


def failure_of(error: grpc.RpcError) -> Failure:
    """The status of a failed call, with its details if it has any."""
    code, message = error.code().name, str(error.details() or "")
    packed = dict(error.trailing_metadata() or ()).get(_STATUS_KEY)
    if not isinstance(packed, bytes):
        return Failure(code=code, message=message)
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status_pb2.Status.FromString(packed).details:
        _ = detail.Unpack(info) or detail.Unpack(bad)
    return Failure(
        code=code,
        reason=info.reason,
        domain=info.domain,
        metadata=dict(info.metadata),
        fields=tuple((violation.field, violation.description) for violation in bad.field_violations),
        message=message,
    )


class _Outgoing:
    """The part that unary and streaming calls have in common."""

    def __init__(self, tokens: ServiceTokens | None, audience: str, deadline_seconds: float | None) -> None:
        self._tokens = tokens
        self._audience = audience
        self._deadline_seconds = deadline_seconds
        self._seconds = telemetry.current().histogram(
            "rpc_client_call_duration_seconds",
            "Duration of an outgoing call.",
            ("rpc_method", "rpc_response_status_code"),
        )

    async def _prepared(self, details: Any) -> Any:
        """The call's details with time-out, traceparent, request number and token."""
        metadata = grpc.aio.Metadata(*(details.metadata or ()))
        if parent := telemetry.traceparent():
            metadata["traceparent"] = parent
        if number := log.correlation():
            metadata[REQUEST_NUMBER] = number
        if self._tokens is not None and "authorization" not in metadata:
            token = await self._tokens.token(self._service(details), acting_for.get())
            metadata["authorization"] = f"Bearer {token}"
        rest = remaining()
        default = DEADLINE_SECONDS if self._deadline_seconds is None else self._deadline_seconds
        limit = default if details.timeout is None else details.timeout
        return grpc.aio.ClientCallDetails(
            method=details.method,
            timeout=limit if rest is None else min(limit, rest),
            metadata=metadata,
            credentials=details.credentials,
            wait_for_ready=details.wait_for_ready,
        )

    def _service(self, details: Any) -> str:
        return self._audience or _path(details).split(".")[1]

    def _record_end(self, span: Any, details: Any, code: str, started: float) -> None:
        span.set_attribute("rpc.response.status_code", code)
        if code != "OK":
            telemetry.failed(span, code)
        if code == "UNAUTHENTICATED" and self._tokens is not None:
            self._tokens.forget(self._service(details), acting_for.get())
        self._seconds.labels(_path(details), code).observe(asyncio.get_running_loop().time() - started)

    def _span(self, details: Any) -> Any:
        return telemetry.current().tracer.start_as_current_span(
            _path(details),
            kind=SpanKind.CLIENT,
            attributes={"rpc.system.name": "grpc", "rpc.method": _path(details)},
            record_exception=False,
            set_status_on_exception=False,
            end_on_exit=False,
        )


class _Unary(_Outgoing, grpc.aio.UnaryUnaryClientInterceptor):  # type: ignore[misc] # grpc has no types
    async def intercept_unary_unary(
        self, continuation: Callable[..., Any], details: Any, request: Any
    ) -> Any:
        started = asyncio.get_running_loop().time()
        code = "CANCELLED"
        with self._span(details) as span:
            try:
                call = await continuation(await self._prepared(details), request)
                code = (await call.code()).name
            except grpc.RpcError as error:  # of the token's exchange
                code = error.code().name
                raise
            else:
                return call
            finally:
                self._record_end(span, details, code, started)
                span.end()


class _Streaming(_Outgoing, grpc.aio.UnaryStreamClientInterceptor):  # type: ignore[misc] # grpc has no types
    async def intercept_unary_stream(
        self, continuation: Callable[..., Any], details: Any, request: Any
    ) -> Any:
        started = asyncio.get_running_loop().time()
        with self._span(details) as span:
            try:
                call = await continuation(await self._prepared(details), request)
            except BaseException as error:
                telemetry.failed(span, error)
                span.end()
                raise
        ending = asyncio.create_task(self._until_end(call, span, details, started))
        _endings.add(ending)
        ending.add_done_callback(_endings.discard)
        return call

    async def _until_end(self, call: Any, span: Any, details: Any, started: float) -> None:
        """End the span with the stream's last message, long after the interceptor has returned the call."""
        code = "CANCELLED"
        try:
            code = (await call.code()).name
        finally:
            self._record_end(span, details, code, started)
            span.end()


_endings: set[asyncio.Task[None]] = set()


def _path(details: Any) -> str:
    method = details.method
    return (method.decode() if isinstance(method, bytes) else str(method)).removeprefix("/")
