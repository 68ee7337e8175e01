"""Raw gRPC calls: one attempt each, with all the text of a refusal."""

import base64
import importlib
import json
import pkgutil
from dataclasses import dataclass
from typing import Any, cast

import diwan
import grpc
from demo.calls import refusal
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from grpc_status import rpc_status

DEADLINE_SECONDS = 20.0
# They name a parked message, whose id makes them idempotent.
WITHOUT_REQUEST_ID = {"ReplayParked", "DiscardParked"}


def rpcs() -> dict[str, MethodDescriptor]:
    """Return every RPC of every `diwan.<service>.v1` by its full name, read from the generated code."""
    methods: dict[str, MethodDescriptor] = {}
    for module in pkgutil.walk_packages(diwan.__path__, "diwan."):
        if module.name.endswith("_pb2"):
            file = importlib.import_module(module.name).DESCRIPTOR
            services = file.services_by_name.values()
            methods |= {rpc.full_name: rpc for service in services for rpc in service.methods}
    return methods


def changing() -> list[str]:
    """Return the names of the changing RPCs: those with a request id, and two RPCs of operators."""
    return sorted(
        name
        for name, rpc in rpcs().items()
        if "request_id" in rpc.input_type.fields_by_name or rpc.name in WITHOUT_REQUEST_ID
    )


@dataclass(frozen=True)
class Refusal:
    """An error answer. `text` joins all its texts: details, status and metadata."""

    code: str
    reason: str
    text: str


class Wire:
    """Calls RPCs by their full name, over one channel to each service."""

    def __init__(self, targets: dict[str, str]) -> None:
        self._channels = {name: grpc.insecure_channel(target) for name, target in targets.items()}
        self._rpcs = rpcs()

    def close(self) -> None:
        for channel in self._channels.values():
            channel.close()

    def call(self, rpc: str, request: Message | bytes, token: str = "", **more: Any) -> Any:
        """Call an RPC; return its answer or a Refusal."""
        return self.call_concurrently(1, rpc, request, token, **more)[0]

    def call_concurrently(
        self,
        count: int,
        rpc: str,
        request: Message | bytes,
        token: str = "",
        *,
        program: str = "",
        metadata: tuple[tuple[str, str], ...] = (),
    ) -> list[Any]:
        """Send the same request `count` times before the first answer; return answers and Refusals.

        Args:
            count: number of calls.
            rpc: full name, such as `diwan.identity.v1.IdentityService.StartSignIn`.
            request: a message, or the bytes to send instead.
            token: access token of the caller; empty for an anonymous call.
            program: the service, where the RPC's package does not name it.
            metadata: further metadata.
        """
        method = self._rpcs[rpc]
        kind = message_factory.GetMessageClass(method.output_type)
        call = self._channels[program or rpc.split(".")[1]].unary_unary(
            f"/{method.containing_service.full_name}/{method.name}",
            request_serializer=lambda body: body if isinstance(body, bytes) else body.SerializeToString(),
            response_deserializer=kind.FromString,
        )
        if token:
            metadata = (*metadata, ("authorization", f"Bearer {token}"))
        futures = [call.future(request, timeout=DEADLINE_SECONDS, metadata=metadata) for _ in range(count)]
        return [_answer(future) for future in futures]


def _answer(future: Any) -> Any:
    try:
        return future.result()
    except grpc.RpcError as error:
        call = cast("grpc.Call", error)
        metadata = [*(call.initial_metadata() or ()), *(call.trailing_metadata() or ())]
        text = "\n".join(
            [
                str(call.details()),
                str(rpc_status.from_call(call)),
                *(f"{key}: {_text(value)}" for key, value in metadata),
            ]
        )
        return Refusal(call.code().name, refusal(error).reason, text)


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode(errors="replace")


def claims(token: str) -> dict[str, Any]:
    """Return the claims of a JWT, without verification."""
    payload = token.split(".")[1]
    decoded: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return decoded
