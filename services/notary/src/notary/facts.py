"""The model's facts and the events that notary publishes for them: one table."""

from chassis.mapping import FactTable, fact_mapping
from diwan.notary.v1 import events_pb2 as events

from notary.model import facts

MESSAGES: FactTable = {
    facts.Submitted: events.PowerOfAttorneySubmitted,
    facts.Approved: events.PowerOfAttorneyApproved,
    facts.Returned: events.PowerOfAttorneyReturned,
    facts.Issued: events.PowerOfAttorneyIssued,
    facts.Collected: events.PowerOfAttorneyCollected,
}
messages = fact_mapping(MESSAGES)
