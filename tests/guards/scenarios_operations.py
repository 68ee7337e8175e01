"""Situations of the operators' changing RPCs, which have no request id: what they name happens once."""

import uuid

from chassis.caller import Caller, Kind
from chassis.commands import CommandRequest
from diwan.operations.v1 import operations_pb2 as operations
from diwan.payments.v1 import acquirer_pb2 as acquirer
from diwan.payments.v1 import payments_pb2 as payments
from google.protobuf import json_format

from .actors import Actors
from .broker import publish
from .probes import until
from .scenario import Scenario, booked, told

SLOW_CARD = "tok_slow"  # the bank calls back seconds later, when the parked news has been replayed
CREATE_PAYMENT = "diwan.payments.v1.PaymentService.CreatePayment"


def replay(actors: Actors) -> Scenario:
    """The acquirer's news of a charge came before the charge was asked for, and was parked.

    The charge's id follows from the request that will ask for it; so does the real one's.
    """
    principal = actors.signed_in()
    case, payment = actors.due(principal)
    paying = actors.paying(case, SLOW_CARD)
    caller = Caller(kind=Kind.CITIZEN, id=principal.account_id)
    cause = uuid.UUID(CommandRequest.identify(caller, CREATE_PAYMENT, paying.request_id))
    news = acquirer.ChargeSettled(
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
    news.amount.CopyFrom(actors.platform.call("payments", "GetQuote", discounted).amount)
    event_id = publish(
        actors,
        "acquirer",
        "acquirer.events",
        "charge.settled.v1",
        news.DESCRIPTOR.full_name,
        json_format.MessageToJson(news),
        subject=news.charge_id,
    )
    parked_id = f"settle/{event_id}"
    until("the parking", lambda: actors.probes.count("payments", "inbox", _id=parked_id, parked=True))
    actors.platform.call("payments", "CreatePayment", paying, principal.session)
    return Scenario(
        operations.ReplayParkedRequest(parked_id=parked_id),
        token=actors.operator_token("payments"),
        program="payments",
        effect=lambda: {
            "parked": actors.probes.count("payments", "inbox", _id=parked_id),
            "events": actors.probes.events("payments", causation=event_id),
            "booked": booked(actors, payment.payment_id, "due", "settled"),
            "told": told(actors, case, "payment.settled"),
        },
        once={"parked": 0, "events": ["PaymentSettled"], "booked": [1, 1], "told": 1},
        alike=lambda answer: (answer.parked_id, answer.policy, answer.type),
        over="PARKED_NOT_FOUND",
    )


def discard(actors: Actors) -> Scenario:
    """A message that nobody can read was parked."""
    event_id = publish(
        actors,
        "registry",
        "registry.events",
        "person.registered.v1",
        "diwan.registry.v1.PersonRegistered",
        '{"personId": "no uuid", "record": "no record"}',
        subject=str(uuid.uuid4()),
    )
    (parked,) = until(
        "the parking",
        lambda: actors.probes.documents("identity", "inbox", headers__cloudEvents_id=event_id, parked=True),
    )
    return Scenario(
        operations.DiscardParkedRequest(parked_id=parked["_id"], reason="nobody can read it"),
        token=actors.operator_token("identity"),
        program="identity",
        effect=lambda: {
            "parked": actors.probes.count("identity", "inbox", _id=parked["_id"]),
            "on record": actors.probes.logged("identity", "parked message discarded", parked["_id"]),
        },
        once={"parked": 0, "on record": 1},
        over="PARKED_NOT_FOUND",
    )


SCENARIOS = {"ReplayParked": replay, "DiscardParked": discard}
