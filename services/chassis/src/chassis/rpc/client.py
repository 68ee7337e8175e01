"""Clients of other services: balanced, in time, tried again, traced, with a token."""

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
from chassis.tokens.keys import Fetch
from chassis.tokens.service import Exchange

DEADLINE_SECONDS: Final = 5.0
"""Time for a call that states none; never more than is left of the call in whose name it is made."""

_STATUS_KEY: Final = "grpc-status-details-bin"
_CONFIG: Final = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [
        {
            "name": [{}],
            # Safe for changing calls too: their request id makes them happen once. CANCELLED is what a server that
            # stops says to calls that reached it and that it had not taken yet; who cancels a call does not repeat it.
            "retryPolicy": {
                # Four seconds together: longer than it takes to look a name up again and to connect.
                "maxAttempts": 5,
                "initialBackoff": "0.2s",
                "maxBackoff": "2s",
                "backoffMultiplier": 2.5,
                "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
            },
        }
    ],
}


def connect(
    target: str,
    tokens: ServiceTokens | None = None,
    *,
    audience: str = "",
    max_message_bytes: int = 4 << 20,
    deadline_seconds: float | None = None,
) -> Any:
    """A `grpc.aio.Channel` to another service; give it to that service's stub, close it at the end.

    Args:
        target: such as `dns:///notary:50051`; a name of several addresses is balanced among them.
        tokens: the caller's own tokens; without, calls are anonymous.
        audience: whose token to send; the service in the RPC's package (`diwan.<service>.v1`) if not given.
        max_message_bytes: longest answer.
        deadline_seconds: for a call that states none; DEADLINE_SECONDS if not given.
    """
    return grpc.aio.insecure_channel(
        target,
        options=[
            ("grpc.service_config", json.dumps(_CONFIG)),
            ("grpc.enable_retries", 1),
            ("grpc.max_receive_message_length", max_message_bytes),
            ("grpc.keepalive_time_ms", 60_000),
            # A name that appears late (start in any order) is found within seconds, not minutes.
            ("grpc.max_reconnect_backoff_ms", 2000),
            ("grpc.dns_min_time_between_resolutions_ms", 2000),
        ],
        interceptors=[kind(tokens, audience, deadline_seconds) for kind in (_Unary, _Streaming)],
    )


def identity_keys(channel: Any) -> Fetch:
    """How `TokenKeys` asks identity for its keys."""
    stub = identity_pb2_grpc.IdentityServiceStub(channel)

    async def fetch() -> str:
        answer = await stub.ListSigningKeys(identity_pb2.ListSigningKeysRequest())
        return str(answer.jwks)

    return fetch


def identity_exchange(channel: Any) -> Exchange:
    """How `ServiceTokens` gets tokens from identity."""
    stub = identity_pb2_grpc.IdentityServiceStub(channel)

    async def exchange(assertion: str, audience: str, account: str) -> tuple[str, Any]:
        answer = await stub.IssueServiceToken(
            identity_pb2.IssueServiceTokenRequest(
                client_assertion=assertion, audience=audience, acting_for=account
            )
        )
        return answer.access_token, to_datetime(answer.expire_time)

    return exchange


@dataclass(frozen=True)
class Failure:
    """What a failed call said of itself."""

    code: str
    reason: str = ""
    domain: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    fields: tuple[tuple[str, str], ...] = ()
    message: str = ""


def failure_of(error: grpc.RpcError) -> Failure:
    """Read a failed call: canonical code, and reason, metadata and fields (path, rule) where it told them."""
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
    """What both sorts of call have in common."""

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
        """The call's details with deadline, traceparent, request number and token."""
        metadata = grpc.aio.Metadata(*(details.metadata or ()))
        if parent := telemetry.traceparent():
            metadata["traceparent"] = parent
        if number := log.correlation():
            metadata[REQUEST_NUMBER] = number
        if self._tokens is not None and "authorization" not in metadata:
            token = await self._tokens.token(self._service(details), acting_for.get())
            metadata["authorization"] = f"Bearer {token}"
        left = remaining()
        ours = DEADLINE_SECONDS if self._deadline_seconds is None else self._deadline_seconds
        limit = ours if details.timeout is None else details.timeout
        return grpc.aio.ClientCallDetails(
            method=details.method,
            timeout=limit if left is None else min(limit, left),
            metadata=metadata,
            credentials=details.credentials,
            wait_for_ready=details.wait_for_ready,
        )

    def _service(self, details: Any) -> str:
        return self._audience or _path(details).split(".")[1]

    def _ended(self, span: Any, details: Any, code: str, began: float) -> None:
        span.set_attribute("rpc.response.status_code", code)
        if code != "OK":
            telemetry.failed(span, code)
        if code == "UNAUTHENTICATED" and self._tokens is not None:
            self._tokens.forget(self._service(details), acting_for.get())
        self._seconds.labels(_path(details), code).observe(asyncio.get_running_loop().time() - began)

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
        began = asyncio.get_running_loop().time()
        code = "CANCELLED"
        with self._span(details) as span:
            try:
                call = await continuation(await self._prepared(details), request)
                code = (await call.code()).name
            except grpc.RpcError as error:  # the token was not to be had
                code = error.code().name
                raise
            else:
                return call
            finally:
                self._ended(span, details, code, began)
                span.end()


class _Streaming(_Outgoing, grpc.aio.UnaryStreamClientInterceptor):  # type: ignore[misc] # grpc has no types
    async def intercept_unary_stream(
        self, continuation: Callable[..., Any], details: Any, request: Any
    ) -> Any:
        began = asyncio.get_running_loop().time()
        with self._span(details) as span:
            try:
                call = await continuation(await self._prepared(details), request)
            except BaseException as error:
                telemetry.failed(span, error)
                span.end()
                raise
        ending = asyncio.create_task(self._until_end(call, span, details, began))
        _endings.add(ending)
        ending.add_done_callback(_endings.discard)
        return call

    async def _until_end(self, call: Any, span: Any, details: Any, began: float) -> None:
        """The span of a stream ends with its last message, long after the call was handed out."""
        code = "CANCELLED"
        try:
            code = (await call.code()).name
        finally:
            self._ended(span, details, code, began)
            span.end()


_endings: set[asyncio.Task[None]] = set()


def _path(details: Any) -> str:
    method = details.method
    return (method.decode() if isinstance(method, bytes) else str(method)).removeprefix("/")
