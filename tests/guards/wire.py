"""Calls as they go over the wire: one attempt each, and everything that a refusal tells."""

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
# They name what they change by its own id, and need no request id to happen once.
WITHOUT_REQUEST_ID = {"ReplayParked", "DiscardParked"}


def rpcs() -> dict[str, MethodDescriptor]:
    """Every RPC of every `diwan.<service>.v1`, by its full name, read from the generated code."""
    found: dict[str, MethodDescriptor] = {}
    for module in pkgutil.walk_packages(diwan.__path__, "diwan."):
        if module.name.endswith("_pb2"):
            file = importlib.import_module(module.name).DESCRIPTOR
            methods = [rpc for service in file.services_by_name.values() for rpc in service.methods]
            found |= {rpc.full_name: rpc for rpc in methods}
    return found


def changing() -> list[str]:
    """The RPCs that change something: their request has a request id, or they are operators' own."""
    return sorted(
        name
        for name, rpc in rpcs().items()
        if "request_id" in rpc.input_type.fields_by_name or rpc.name in WITHOUT_REQUEST_ID
    )


@dataclass(frozen=True)
class Refusal:
    """An answer that is an error. `told` is all the text in it: details, status and metadata."""

    code: str
    reason: str
    told: str


class Wire:
    """One channel to each service; an RPC is called by its full name."""

    def __init__(self, targets: dict[str, str]) -> None:
        self._channels = {name: grpc.insecure_channel(target) for name, target in targets.items()}
        self._rpcs = rpcs()

    def close(self) -> None:
        for channel in self._channels.values():
            channel.close()

    def ask(self, rpc: str, request: Message | bytes, token: str = "", **more: Any) -> Any:
        """The answer, or the Refusal."""
        return self.ask_at_once(1, rpc, request, token, **more)[0]

    def ask_at_once(
        self,
        count: int,
        rpc: str,
        request: Message | bytes,
        token: str = "",
        *,
        program: str = "",
        metadata: tuple[tuple[str, str], ...] = (),
    ) -> list[Any]:
        """Send the same request `count` times before the first is answered; answers and Refusals.

        Args:
            count: how often.
            rpc: full name, such as `diwan.identity.v1.IdentityService.StartSignIn`.
            request: a message, or the bytes to send in its place.
            token: the caller's, none for anybody.
            program: which service answers, where the RPC's name does not say so.
            metadata: more of it.
        """
        method = self._rpcs[rpc]
        kind = message_factory.GetMessageClass(method.output_type)
        call = self._channels[program or rpc.split(".")[1]].unary_unary(
            f"/{method.containing_service.full_name}/{method.name}",
            request_serializer=lambda sent: sent if isinstance(sent, bytes) else sent.SerializeToString(),
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
        told = "\n".join(
            [
                str(call.details()),
                str(rpc_status.from_call(call)),
                *(f"{key}: {_text(value)}" for key, value in metadata),
            ]
        )
        return Refusal(call.code().name, refusal(error).reason, told)


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode(errors="replace")


def claims(token: str) -> dict[str, Any]:
    """What a JWT says, unchecked."""
    payload = token.split(".")[1]
    said: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return said
