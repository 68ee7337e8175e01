"""The model's facts and the messages that identity publishes for them: one table."""

from chassis.mapping import FactTable, fact_mapping
from diwan.identity.v1 import events_pb2 as events

from identity.model import outcome

MESSAGES: FactTable = {
    outcome.CodeIssued: events.SendMessage,
    outcome.AccountEnrolled: events.AccountEnrolled,
    outcome.OfficerRegistered: events.OfficerRegistered,
}
messages = fact_mapping(MESSAGES)
