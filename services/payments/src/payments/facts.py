"""The model's facts and the messages that payments publishes for them: one table."""

from chassis.mapping import FactTable, fact_mapping
from diwan.payments.v1 import acquirer_pb2 as acquirer
from diwan.payments.v1 import events_pb2 as events

from payments.model import payment as model

MESSAGES: FactTable = {
    model.Due: events.PaymentDue,
    model.ChargeRequested: acquirer.RequestCharge,
    model.ChargeInquired: acquirer.InquireCharge,
    model.Settled: events.PaymentSettled,
    model.Refused: events.PaymentRefused,
    model.Overpaid: events.PaymentOverpaid,
}
messages = fact_mapping(MESSAGES)
