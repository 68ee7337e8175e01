"""A scenario, and what the effects of several services are seen by."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from diwan.notification.v1 import notification_pb2 as notification
from diwan.payments.v1 import payments_pb2 as payments
from google.protobuf.message import Message

from .actors import Actors

Effect = Callable[[], Mapping[str, Any]]
Question = tuple[str, Message]
"""Name of an RPC, and a request."""


@dataclass(frozen=True)
class Scenario:
    """One request that is about to be made.

    Attributes:
        request: valid, with a request id of its own.
        token: the caller's, for the service that answers.
        effect: what has come of it so far.
        once: what `effect` gives when it had its effect, once.
        other: the same request id with other content, or what makes it from the first answer; None where the RPC
            has no content to differ in, or keeps its answers with another document for each content.
        program: the service that answers, where the RPC's name does not say so.
        alike: what must be the same in all answers, where that is not all of them.
        over: the reason with which a repetition may be refused instead, because there is nothing left to do.
        works: proves that an answer is good for what it was given for.
    """

    request: Message
    effect: Effect
    once: Mapping[str, Any]
    token: str = ""
    other: Message | Callable[[Any], Message] | None = None
    program: str = ""
    alike: Callable[[Any], Any] = lambda answer: answer
    over: str = ""
    works: Callable[[Any], None] = lambda _: None


def varied(request: Message, **fields: Any) -> Any:
    """The request with other content under the same request id."""
    other = type(request)()
    other.CopyFrom(request)
    for name, value in fields.items():
        setattr(other, name, value)
    return other


def other_code(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06d}"


def written(actors: Actors, service: str, collection: str, document_id: str) -> int:
    """How often an aggregate was written since it was made, that included; 0 before."""
    return sum(found["version"] for found in actors.probes.documents(service, collection, _id=document_id))


def booked(actors: Actors, payment_id: str, *kinds: str) -> list[int]:
    """How many journal entries of each kind a payment has, as an auditor sees them."""
    request = payments.ListLedgerEntriesRequest(payment_id=payment_id, page_size=100)
    page = actors.platform.call("payments", "ListLedgerEntries", request, actors.session("auditor"))
    found = [entry.kind for entry in page.entries]
    return [found.count(kind) for kind in kinds]


def told(actors: Actors, case: Any, template: str) -> int:
    """How many messages of a kind were made about a case, as an auditor sees them."""
    request = notification.ListMessagesRequest(request_number=case.number, page_size=100)
    page = actors.platform.call("notification", "ListMessages", request, actors.session("auditor"))
    return sum(message.template == template for message in page.messages)
