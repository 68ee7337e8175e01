"""Scenarios of the operators' changing RPCs, which have no request id: the parked message makes them idempotent."""

import uuid

from chassis.caller import Caller, Kind
from chassis.commands import CommandRequest
from diwan.operations.v1 import operations_pb2 as operations
from diwan.payments.v1 import acquirer_pb2 as acquirer
from diwan.payments.v1 import payments_pb2 as payments
from google.protobuf import json_format

from .actors import Actors
from .broker import publish
from .probes import wait_for
from .scenario import Scenario, count_entries, count_messages

SLOW_CARD = "tok_slow"  # the acquirer calls back seconds later, after the parked event has been replayed
CREATE_PAYMENT = "diwan.payments.v1.PaymentService.CreatePayment"


def replay(actors: Actors) -> Scenario:
    """Park the acquirer's event about a charge, which arrives before the charge is requested.

    The charge's id is derived from the later request, as in the service.
    """
    principal = actors.signed_in_citizen()
    case, payment = actors.create_due_case(principal)
    payment_request = actors.payment_request(case, SLOW_CARD)
    caller = Caller(kind=Kind.CITIZEN, id=principal.account_id)
    cause = uuid.UUID(CommandRequest.identify(caller, CREATE_PAYMENT, payment_request.request_id))
    event = acquirer.ChargeSettled(
        charge_id=str(uuid.uuid5(cause, "charge")),
        payment_id=payment.payment_id,
        acquirer_reference="ACQ-EARLY",
    )
    discounted = payments.GetQuoteRequest(
        service="notary.power_of_attorney.general",
        channel="portal",
        governorate=case.governorate,
        means=payments.PAYMENT_MEANS_CARD,
    )
    event.amount.CopyFrom(actors.platform.call("payments", "GetQuote", discounted).amount)
    event_id = publish(
        actors.layout,
        "acquirer",
        "acquirer.events",
        "charge.settled.v1",
        event.DESCRIPTOR.full_name,
        json_format.MessageToJson(event),
        subject=event.charge_id,
    )
    (parked,) = wait_for(
        "the message to be parked",
        lambda: actors.probes.documents("payments", "inbox", headers__cloudEvents_id=event_id, parked=True),
    )
    parked_id = parked["_id"]
    actors.platform.call("payments", "CreatePayment", payment_request, principal.session)
    return Scenario(
        operations.ReplayParkedRequest(parked_id=parked_id),
        token=actors.operator_token("payments"),
        program="payments",
        effect=lambda: {
            "parked": actors.probes.count("payments", "inbox", _id=parked_id),
            "events": actors.probes.events("payments", causation=event_id),
            "entries": count_entries(actors, payment.payment_id, "due", "settled"),
            "messages": count_messages(actors, case, "payment.settled"),
        },
        once={"parked": 0, "events": ["PaymentSettled"], "entries": [1, 1], "messages": 1},
        comparable=lambda answer: (answer.parked_id, answer.policy, answer.type),
        repeat_reason="PARKED_NOT_FOUND",
    )


def discard(actors: Actors) -> Scenario:
    """Park a message that cannot be decoded."""
    event_id = publish(
        actors.layout,
        "registry",
        "registry.events",
        "person.registered.v1",
        "diwan.registry.v1.PersonRegistered",
        '{"personId": "no uuid", "record": "no record"}',
        subject=str(uuid.uuid4()),
    )
    (parked,) = wait_for(
        "the message to be parked",
        lambda: actors.probes.documents("identity", "inbox", headers__cloudEvents_id=event_id, parked=True),
    )
    return Scenario(
        operations.DiscardParkedRequest(parked_id=parked["_id"], reason="it cannot be decoded"),
        token=actors.operator_token("identity"),
        program="identity",
        effect=lambda: {
            "parked": actors.probes.count("identity", "inbox", _id=parked["_id"]),
            "log lines": actors.probes.logged("identity", "parked message discarded", parked["_id"]),
        },
        once={"parked": 0, "log lines": 1},
        repeat_reason="PARKED_NOT_FOUND",
    )


SERVICE = "diwan.operations.v1.OperationsService"
SCENARIOS = {"ReplayParked": replay, "DiscardParked": discard}
