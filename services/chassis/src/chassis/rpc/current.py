"""The call in hand."""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from google.protobuf.message import Message

from chassis.caller import Caller
from chassis.commands import CommandRequest

Hash = Callable[[bytes, str], str]
"""(value, purpose) -> keyed hash, hex: `key_ring.KeyRing.keyed_hash`."""

S = TypeVar("S")
M = TypeVar("M", bound=Message)

CONTENT = "request content"


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call of an RPC.

    Attributes:
        caller: who calls.
        rpc: full name, such as `diwan.notary.v1.PowerOfAttorneyService.SubmitPowerOfAttorney`.
        now: when it came, UTC; the moment of whatever it decides.
        correlation: the journey's request number when another service sent it, or "".
    """

    caller: Caller
    rpc: str
    now: datetime
    correlation: str
    hashed: Hash

    def request(
        self,
        message: Message,
        *,
        answer: Callable[[S], M],
        secret: bool = False,
    ) -> CommandRequest[S, M]:
        """What makes a command happen once: this caller, this RPC, this request id, this content.

        Args:
            message: the RPC's request, which has a `request_id`.
            answer: renders the answer from the new state; it is kept for the same request again.
            secret: the answer holds a secret: it is rendered again, never kept.
        """
        request_id: Any = getattr(message, "request_id", "")
        if not request_id:
            msg = f"{message.DESCRIPTOR.full_name} has no request_id: it cannot be made to happen once"
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
    """The call that this task answers; LookupError outside one."""
    current = _current.get()
    if current is None:
        msg = "no call is in hand: only an RPC's handler may ask"
        raise LookupError(msg)
    return current


def begin(current: Call) -> None:
    """Make it the call in hand of this task. Each call is served by a task of its own, so none takes it back."""
    _current.set(current)
