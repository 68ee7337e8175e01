"""Why a command runs and what it decides."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from google.protobuf.message import Message

from chassis.caller import Caller
from chassis.errors import ChassisError
from chassis.store import Cause, cause_id

S = TypeVar("S")
M = TypeVar("M", bound=Message)


class TooOld(ChassisError):
    """An event older than the oldest that the aggregate remembers: nobody can tell whether it was handled."""

    reason = "EVENT_TOO_OLD"
    code = "FAILED_PRECONDITION"


@dataclass(frozen=True, kw_only=True)
class Decision(Generic[S]):
    """What a model decided.

    Attributes:
        state: the aggregate's new state.
        facts: what happened, as messages that state where they are published, in order.
        refusal: a refusal that is committed together with state and facts, and then raised. One that changes
            neither is raised and not committed.
    """

    state: S
    facts: Sequence[Message] = ()
    refusal: Exception | None = None


@dataclass(frozen=True, kw_only=True)
class CommandRequest(Cause, Generic[S, M]):
    """A caller's request.

    Attributes:
        request_id: the caller's id for it, a UUID4; `id` is `CommandRequest.identify(caller, rpc, request_id)`.
        rpc: full name of the RPC.
        caller: who asks.
        content_hash: keyed hash of the content, hex.
        answer: renders the answer from the new state.
        secret: the answer holds a secret: it is not kept, but rendered again from the state as it is then.
    """

    request_id: str
    rpc: str
    caller: Caller
    content_hash: str
    answer: Callable[[S], M]
    secret: bool = False

    @staticmethod
    def identify(caller: Caller, rpc: str, request_id: str) -> str:
        """The cause id: the same request id from another caller, or to another RPC, is another request."""
        return cause_id("request", caller.key, rpc, request_id)

    @property
    def causation(self) -> str:
        return self.request_id


@dataclass(frozen=True, kw_only=True)
class EventCause(Cause, Generic[M]):
    """An event as a policy gets it.

    Attributes:
        event_id: the event's own id; `id` is `EventCause.identify(policy, source, event_id)`.
        type: full name of its message.
        source: who published it, such as `diwan/notary`.
        subject: the opaque id of what it is about.
        sequence: its place among the subject's events, from 1; 0 if it has none.
        time: when it happened, UTC.
        message: what it says.
    """

    event_id: str
    type: str
    source: str
    subject: str
    sequence: int
    time: datetime
    message: M

    @staticmethod
    def identify(policy: str, source: str, event_id: str) -> str:
        """The cause id: two policies may act on one event, each once."""
        return cause_id("event", policy, source, event_id)

    @property
    def causation(self) -> str:
        return self.event_id
