"""The model's facts as the events that notary publishes: one table."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from chassis.times import timestamp
from diwan.notary.v1 import events_pb2 as events
from google.protobuf.message import Message

from notary.model import facts


def _submitted(fact: facts.Submitted) -> Message:
    return events.PowerOfAttorneySubmitted(
        power_of_attorney_id=fact.id,
        number=fact.number,
        principal_account_id=fact.principal_account_id,
        service=fact.service,
        channel=fact.channel,
        governorate=fact.governorate,
        submit_time=timestamp(fact.time),
    )


def _approved(fact: facts.Approved) -> Message:
    return events.PowerOfAttorneyApproved(
        power_of_attorney_id=fact.id, number=fact.number, office_id=fact.office_id
    )


def _returned(fact: facts.Returned) -> Message:
    return events.PowerOfAttorneyReturned(
        power_of_attorney_id=fact.id,
        number=fact.number,
        principal_account_id=fact.principal_account_id,
        refused=fact.refused,
    )


def _issued(fact: facts.Issued) -> Message:
    return events.PowerOfAttorneyIssued(
        power_of_attorney_id=fact.id,
        number=fact.number,
        principal_account_id=fact.principal_account_id,
        office_id=fact.office_id,
        office_name=fact.office_name,
        document_digest=fact.document_digest,
    )


def _collected(fact: facts.Collected) -> Message:
    return events.PowerOfAttorneyCollected(
        power_of_attorney_id=fact.id,
        number=fact.number,
        principal_account_id=fact.principal_account_id,
        office_id=fact.office_id,
        collect_time=timestamp(fact.time),
    )


EVENTS: Mapping[type[facts.Fact], Callable[[Any], Message]] = {
    facts.Submitted: _submitted,
    facts.Approved: _approved,
    facts.Returned: _returned,
    facts.Issued: _issued,
    facts.Collected: _collected,
}


def messages(stated: Iterable[facts.Fact]) -> tuple[Message, ...]:
    """The events of some facts, in their order."""
    return tuple(EVENTS[type(fact)](fact) for fact in stated)
