"""A gRPC client of the platform: deadlines, retries with the same request id, and trace context."""

import importlib
import json
import time
import uuid
from collections.abc import Callable
from typing import Any, Protocol, cast

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from opentelemetry import propagate

from demo.session import Session

DEADLINE_SECONDS = 10.0
RETRY_LIMIT_SECONDS = 60.0
RETRY_PAUSE_SECONDS = 0.2
RETRIABLE = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.ABORTED}
# Codes that no request should cause.
FAULTS = {
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DATA_LOSS,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.UNKNOWN,
}

# Service config and channel options for every client (docs/operate.md): calls go to the pods behind a name in turn, and
# a call that a terminating pod did not process is retried at once: such a pod answers late calls with CANCELLED. A
# changing call may be retried too, since its request id gives it one effect.
SERVICE_CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [
        {
            "name": [{}],
            "timeout": f"{DEADLINE_SECONDS:.0f}s",
            "waitForReady": True,
            "retryPolicy": {
                "maxAttempts": 5,
                "initialBackoff": "0.2s",
                "maxBackoff": "2s",
                "backoffMultiplier": 2.5,
                "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
            },
        }
    ],
    "retryThrottling": {"maxTokens": 1000, "tokenRatio": 0.1},
}
CHANNEL_OPTIONS = {
    "grpc.max_reconnect_backoff_ms": 2000,
    "grpc.dns_min_time_between_resolutions_ms": 2000,
    "grpc.keepalive_time_ms": 5000,
    "grpc.http2.ping_timeout_ms": 3000,
    "grpc.http2.max_pings_without_data": 0,
}
OPTIONS = [
    ("grpc.service_config", json.dumps(SERVICE_CONFIG)),
    ("grpc.enable_retries", 1),
    *CHANNEL_OPTIONS.items(),
]

OnFailure = Callable[[str, str, str], None]
"""Called with the RPC of a failed call, its canonical code and the text of the gRPC error."""


class Refused(Exception):
    """An RPC was refused: its answer is an error.

    Attributes:
        code: canonical code name, such as `NOT_FOUND`.
        reason: the ErrorInfo's reason, such as `DOCUMENT_NOT_FOUND`; empty when there is none.
    """

    def __init__(self, code: str, reason: str, text: str) -> None:
        super().__init__(f"{code} {reason}: {text}")
        self.code = code
        self.reason = reason


def refusal(error: grpc.RpcError) -> Refused:
    """Convert a gRPC error to `Refused`, with the reason of its ErrorInfo."""
    call = cast("grpc.Call", error)
    status = rpc_status.from_call(call)
    reason = ""
    for detail in status.details if status else []:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            reason = info.reason
    return Refused(call.code().name, reason, call.details() or "")


class Method(Protocol):
    """A method of a stub."""

    def __call__(self, request: Message, *, timeout: float, metadata: Any) -> Any: ...


def _stub(service: str) -> Any:
    """The class generated for `protos/diwan/<service>/v1/<service>.proto`, which declares one gRPC service."""
    module = importlib.import_module(f"diwan.{service}.v1.{service}_pb2_grpc")
    (found,) = (kind for name, kind in vars(module).items() if name.endswith("Stub"))
    return found


class Platform:
    """The stubs of all services.

    Args:
        targets: gRPC address of each service.
        on_failure: called for each call that failed in spite of the retries of the service config, except for
            refusals of the request itself.
    """

    def __init__(self, targets: dict[str, str], on_failure: OnFailure = lambda *_: None) -> None:
        self._on_failure = on_failure
        self._channels = {
            name: grpc.insecure_channel(target, options=OPTIONS) for name, target in targets.items()
        }
        self._stubs = {name: _stub(name)(channel) for name, channel in self._channels.items()}

    def close(self) -> None:
        for channel in self._channels.values():
            channel.close()

    def call(self, service: str, rpc: str, request: Message, session: Session | None = None) -> Any:
        """Call an RPC, with the session's token if there is one; retry the same request while the service is away.

        Raises:
            Refused: the service answered with an error that is not retriable, or was away for too long.
        """
        if "request_id" in request.DESCRIPTOR.fields_by_name and not getattr(request, "request_id"):  # noqa: B009
            setattr(request, "request_id", str(uuid.uuid4()))  # noqa: B010  the message's type is not known here
        return self._retry(rpc, lambda: self._call_once(service, rpc, request, session))

    def download(self, service: str, rpc: str, request: Message, session: Session | None) -> bytes:
        """Call an RPC that streams chunks; return the joined bytes."""
        return cast(
            "bytes",
            self._retry(
                rpc, lambda: b"".join(part.chunk for part in self._call_once(service, rpc, request, session))
            ),
        )

    def _call_once(self, service: str, rpc: str, request: Message, session: Session | None) -> Any:
        method: Method = getattr(self._stubs[service], rpc)
        headers: dict[str, str] = {}
        if session:
            headers["authorization"] = f"Bearer {session.token(service)}"
        propagate.inject(headers)
        return method(request, timeout=DEADLINE_SECONDS, metadata=tuple(headers.items()))

    def _retry(self, rpc: str, attempt: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + RETRY_LIMIT_SECONDS
        while True:
            try:
                return attempt()
            except grpc.RpcError as error:
                call = cast("grpc.Call", error)
                if call.code() in RETRIABLE | FAULTS:
                    self._on_failure(rpc, call.code().name, str(error))
                if call.code() not in RETRIABLE or time.monotonic() > deadline:
                    raise refusal(error) from error
            time.sleep(RETRY_PAUSE_SECONDS)
