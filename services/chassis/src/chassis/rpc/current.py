"""The RPC call that the current task handles."""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from google.protobuf.message import Message

from chassis.caller import Caller
from chassis.commands import CommandRequest

Hash = Callable[[bytes, str], str]
"""(value, purpose) -> keyed hash, hex; implemented by `key_ring.KeyRing.keyed_hash`."""

S = TypeVar("S")
M = TypeVar("M", bound=Message)

CONTENT = "request content"


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call of an RPC.

    Attributes:
        caller: the caller, from its token.
        rpc: full name, such as `diwan.notary.v1.PowerOfAttorneyService.SubmitPowerOfAttorney`.
        now: time of its arrival, UTC; also the time of its decisions.
        correlation: the journey's request number if another service sent it, or "".
        hashed: computes keyed hashes with the service's key.
        client: the network that the end user calls from, such as `192.0.2.7/32` or `2001:db8:1:2::/64`; "" if the RPC
            needs a token, or the network is unknown.
    """

    caller: Caller
    rpc: str
    now: datetime
    correlation: str
    hashed: Hash
    client: str = ""

    def request(
        self,
        message: Message,
        *,
        answer: Callable[[S], M],
        secret: bool = False,
    ) -> CommandRequest[S, M]:
        """The cause of an idempotent command, from this call's caller, RPC, request id and content.

        Args:
            message: the RPC's request, with a `request_id`.
            answer: renders the response from the new state; it is stored for repetitions of the request.
            secret: the response contains a secret: it is rendered again for a repetition, never stored.

        Raises:
            TypeError: the message has no `request_id`.
        """
        request_id: Any = getattr(message, "request_id", "")
        if not request_id:
            msg = f"{message.DESCRIPTOR.full_name} has no request_id: its command cannot be idempotent"
            raise TypeError(msg)
        return CommandRequest(
            id=CommandRequest.identify(self.caller, self.rpc, request_id),
            now=self.now,
            correlation=self.correlation,
            request_id=request_id,
            rpc=self.rpc,
            caller=self.caller,
            content_hash=self.hashed(message.SerializeToString(deterministic=True), CONTENT),
            answer=answer,
            secret=secret,
        )


_current: ContextVar[Call | None] = ContextVar("call", default=None)


def call() -> Call:
    """The call that this task handles; LookupError outside of a call."""
    current = _current.get()
    if current is None:
        msg = "no current call: call() is only available in the handler of an RPC"
        raise LookupError(msg)
    return current


def begin(current: Call) -> None:
    """Set the current call of this task. It is never reset, because each call is handled by a task of its own."""
    _current.set(current)
