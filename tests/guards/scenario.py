"""The scenario of an RPC, and helpers that measure effects."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from diwan.notification.v1 import notification_pb2 as notification
from diwan.payments.v1 import payments_pb2 as payments
from google.protobuf.message import Message

from .actors import Actors

Effect = Callable[[], Mapping[str, Any]]
PrincipalCall = tuple[str, Message]
"""Name and request of an RPC that the principal of a journey may call."""


@dataclass(frozen=True)
class Scenario:
    """One request that is ready to be sent, and its effect.

    Attributes:
        request: valid, with a new request id.
        token: the caller's access token for the service.
        effect: returns the effect so far.
        once: value of `effect` after exactly one execution.
        other: a request with the same request id and other content, or a function that makes it from the first
            answer; None where the RPC has no other content, or keeps its answers with another document for each
            content.
        program: the service, where the RPC's package does not name it.
        comparable: returns the part of an answer that must be equal in all answers.
        repeat_reason: reason with which a repeated call may be refused, because nothing is left to do.
        verify_answer: asserts that an answer can be used for its purpose.
    """

    request: Message
    effect: Effect
    once: Mapping[str, Any]
    token: str = ""
    other: Message | Callable[[Any], Message] | None = None
    program: str = ""
    comparable: Callable[[Any], Any] = lambda answer: answer
    repeat_reason: str = ""
    verify_answer: Callable[[Any], None] = lambda _: None


def varied(request: Message, **fields: Any) -> Any:
    """Return the request with other content and the same request id."""
    other = type(request)()
    other.CopyFrom(request)
    for name, value in fields.items():
        setattr(other, name, value)
    return other


def other_code(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06d}"


def count_writes(actors: Actors, service: str, collection: str, document_id: str) -> int:
    """Return how often an aggregate was written, its creation included; 0 before that."""
    return sum(
        document["version"] for document in actors.probes.documents(service, collection, _id=document_id)
    )


def count_entries(actors: Actors, payment_id: str, *kinds: str) -> list[int]:
    """Return the number of journal entries of each kind for a payment, read as an auditor."""
    request = payments.ListLedgerEntriesRequest(payment_id=payment_id, page_size=100)
    page = actors.platform.call("payments", "ListLedgerEntries", request, actors.session("auditor"))
    booked = [entry.kind for entry in page.entries]
    return [booked.count(kind) for kind in kinds]


def count_messages(actors: Actors, case: Any, template: str) -> int:
    """Return the number of messages of a template about a case, read as an auditor."""
    request = notification.ListMessagesRequest(request_number=case.number, page_size=100)
    page = actors.platform.call("notification", "ListMessages", request, actors.session("auditor"))
    return sum(message.template == template for message in page.messages)
