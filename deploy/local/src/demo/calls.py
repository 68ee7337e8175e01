"""gRPC as any client of the platform would use it: deadlines, retry with the same request id, a trace."""

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
PATIENCE_SECONDS = 60.0
PAUSE_SECONDS = 0.2
RETRIABLE = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.ABORTED}
# What no request deserves.
FAULTS = {
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DATA_LOSS,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.UNKNOWN,
}

# What every client should keep to: calls go round the pods behind a name, and what a leaving pod did not take is tried
# again at once: it says CANCELLED to calls that reached it too late. A changing call may be tried again too, since its
# request id makes it happen once.
SERVICE_CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [
        {
            "name": [{}],
            "timeout": f"{DEADLINE_SECONDS:.0f}s",
            "retryPolicy": {
                "maxAttempts": 5,
                "initialBackoff": "0.2s",
                "maxBackoff": "2s",
                "backoffMultiplier": 2.5,
                "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
            },
        }
    ],
}
OPTIONS = [
    ("grpc.service_config", json.dumps(SERVICE_CONFIG)),
    ("grpc.enable_retries", 1),
    ("grpc.max_reconnect_backoff_ms", 2000),
    ("grpc.dns_min_time_between_resolutions_ms", 2000),
]

Failed = Callable[[str, str, str], None]
"""Told the RPC of a call that failed, the canonical code, and all that gRPC says of it."""


class Refused(Exception):
    """A call was answered with an error.

    Attributes:
        code: canonical code name, such as `NOT_FOUND`.
        reason: the ErrorInfo's reason, such as `DOCUMENT_NOT_FOUND`; empty when there is none.
    """

    def __init__(self, code: str, reason: str, text: str) -> None:
        super().__init__(f"{code} {reason}: {text}")
        self.code = code
        self.reason = reason


def refusal(error: grpc.RpcError) -> Refused:
    """What a gRPC error says, by its ErrorInfo."""
    call = cast("grpc.Call", error)
    status = rpc_status.from_call(call)
    reason = ""
    for detail in status.details if status else []:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            reason = info.reason
    return Refused(call.code().name, reason, call.details() or "")


class Method(Protocol):
    """A stub's method."""

    def __call__(self, request: Message, *, timeout: float, metadata: Any) -> Any: ...


def _stub(service: str) -> Any:
    """The class generated for `protos/diwan/<service>/v1/<service>.proto`, which declares one gRPC service."""
    module = importlib.import_module(f"diwan.{service}.v1.{service}_pb2_grpc")
    (found,) = (kind for name, kind in vars(module).items() if name.endswith("Stub"))
    return found


class Platform:
    """Stubs of all services.

    Args:
        targets: gRPC address of each service.
        on_failure: told of every call that failed, in spite of the service config's own retries, and was not
            refused for what it asked.
    """

    def __init__(self, targets: dict[str, str], on_failure: Failed = lambda *_: None) -> None:
        self._on_failure = on_failure
        self._channels = {
            name: grpc.insecure_channel(target, options=OPTIONS) for name, target in targets.items()
        }
        self._stubs = {name: _stub(name)(channel) for name, channel in self._channels.items()}

    def close(self) -> None:
        for channel in self._channels.values():
            channel.close()

    def call(self, service: str, rpc: str, request: Message, session: Session | None = None) -> Any:
        """Call an RPC, as whose session it is or as anybody; try again with the same request while the service is away.

        Raises:
            Refused: the service answered with an error that trying again will not mend.
        """
        if "request_id" in request.DESCRIPTOR.fields_by_name and not getattr(request, "request_id"):  # noqa: B009
            setattr(request, "request_id", str(uuid.uuid4()))  # noqa: B010  the message's type is not known here
        return self._until_answered(rpc, lambda: self._once(service, rpc, request, session))

    def download(self, service: str, rpc: str, request: Message, session: Session | None) -> bytes:
        """Read a stream of chunks to its end."""
        return cast(
            "bytes",
            self._until_answered(
                rpc, lambda: b"".join(part.chunk for part in self._once(service, rpc, request, session))
            ),
        )

    def _once(self, service: str, rpc: str, request: Message, session: Session | None) -> Any:
        method: Method = getattr(self._stubs[service], rpc)
        headers: dict[str, str] = {}
        if session:
            headers["authorization"] = f"Bearer {session.token(service)}"
        propagate.inject(headers)
        return method(request, timeout=DEADLINE_SECONDS, metadata=tuple(headers.items()))

    def _until_answered(self, rpc: str, attempt: Callable[[], Any]) -> Any:
        give_up = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return attempt()
            except grpc.RpcError as error:
                call = cast("grpc.Call", error)
                if call.code() in RETRIABLE | FAULTS:
                    self._on_failure(rpc, call.code().name, str(error))
                if call.code() not in RETRIABLE or time.monotonic() > give_up:
                    raise refusal(error) from error
            time.sleep(PAUSE_SECONDS)
