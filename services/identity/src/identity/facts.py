"""The model's facts and the messages that identity publishes for them: one table."""

from chassis.mapping import FactTable, fact_mapping
from diwan.identity.v1 import events_pb2 as events

from identity.model import facts

MESSAGES: FactTable = {
    facts.CodeIssued: events.SendMessage,
    facts.AccountEnrolled: events.AccountEnrolled,
    facts.OfficerRegistered: events.OfficerRegistered,
    facts.OfficerRolesEnded: events.OfficerRolesEnded,
    facts.AccessRevoked: events.AccessRevoked,
}
messages = fact_mapping(MESSAGES)
