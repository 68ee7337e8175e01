"""The model's facts as the messages that identity publishes: one table."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from chassis import protojson
from chassis.messaging import headers
from diwan.identity.v1 import events_pb2 as events
from diwan.identity.v1 import identity_pb2 as identity
from google.protobuf.message import Message

from identity.model import outcome

LANGUAGE = "ar"
ASSURANCE: Mapping[str, identity.AssuranceLevel.ValueType] = {
    "substantial": identity.ASSURANCE_LEVEL_SUBSTANTIAL,
    "high": identity.ASSURANCE_LEVEL_HIGH,
}


def _code_issued(fact: outcome.CodeIssued) -> Message:
    content = events.MessageContent(mobile=fact.mobile, values={"code": fact.code})
    return events.SendMessage(
        account_id=fact.account_id,
        template=fact.template,
        expire_time=headers.format_time(fact.expire_time),
        content=protojson.dumps(content),
    )


def _account_enrolled(fact: outcome.AccountEnrolled) -> Message:
    return events.AccountEnrolled(
        account_id=fact.account_id,
        person_id=fact.person_id,
        assurance_level=ASSURANCE[fact.assurance],
        channel=fact.channel,
        contact=protojson.dumps(events.Contact(mobile=fact.mobile, language=LANGUAGE)),
    )


def _officer_registered(fact: outcome.OfficerRegistered) -> Message:
    return events.OfficerRegistered(
        officer_id=fact.officer_id,
        roles=fact.roles,
        office_id=fact.office_id,
        registered_by=fact.registered_by,
    )


MESSAGES: Mapping[type[outcome.Fact], Callable[[Any], Message]] = {
    outcome.CodeIssued: _code_issued,
    outcome.AccountEnrolled: _account_enrolled,
    outcome.OfficerRegistered: _officer_registered,
}


def messages(told: Iterable[outcome.Fact]) -> tuple[Message, ...]:
    """The messages of some facts, in their order; sealed fields still open, the store's door seals them."""
    return tuple(MESSAGES[type(fact)](fact) for fact in told)
