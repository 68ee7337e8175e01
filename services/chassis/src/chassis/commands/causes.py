"""The causes of a command and its decision."""

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
    """The event is older than all events recorded in its aggregate: it may have been handled before."""

    reason = "EVENT_TOO_OLD"
    code = "FAILED_PRECONDITION"


class ContentChanged(ChassisError):
    """An event with this id was handled before with other content: its publisher contradicts itself."""

    reason = "CONTENT_CHANGED"
    code = "FAILED_PRECONDITION"


@dataclass(frozen=True, kw_only=True)
class Decision(Generic[S]):
    """A model's decision.

    Attributes:
        state: the aggregate's new state.
        facts: the events to publish, in order, as messages with the option `event` (exchange and key).
        refusal: a refusal that is committed together with state and facts, and then raised. A refusal without
            facts and without a change of state is raised and not committed.
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
        caller: the caller of the RPC.
        content_hash: keyed hash of the content, hex.
        answer: renders the response from the new state.
        secret: the response contains a secret: it is not stored, but rendered again from the current state.
    """

    request_id: str
    rpc: str
    caller: Caller
    content_hash: str
    answer: Callable[[S], M]
    secret: bool = False

    @staticmethod
    def identify(caller: Caller, rpc: str, request_id: str) -> str:
        """The cause id. The same request id from another caller, or to another RPC, gives another cause id."""
        return cause_id("request", caller.key, rpc, request_id)

    @property
    def causation(self) -> str:
        return self.request_id


@dataclass(frozen=True, kw_only=True)
class EventCause(Cause, Generic[M]):
    """An event as it is passed to a policy.

    Attributes:
        event_id: the event's own id; `id` is `EventCause.identify(policy, source, event_id)`.
        type: full name of its message.
        source: CloudEvents source of the publisher, such as `diwan/notary`.
        subject: the opaque id of the event's subject.
        sequence: its position among the subject's events, from 1; 0 if it has none.
        time: time of the event, UTC.
        message: the event's message.
        content: keyed hash of the message, or empty: an event with a known id and another hash is refused.
    """

    event_id: str
    type: str
    source: str
    subject: str
    sequence: int
    time: datetime
    message: M
    content: str = ""

    @staticmethod
    def identify(policy: str, source: str, event_id: str) -> str:
        """The cause id. It differs by policy, so that each of two policies may handle one event once."""
        return cause_id("event", policy, source, event_id)

    @property
    def causation(self) -> str:
        return self.event_id
