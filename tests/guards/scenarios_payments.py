"""Scenarios of payments' changing RPCs."""

import uuid
from datetime import UTC, datetime
from typing import Any

from chassis.times import cairo_day
from demo.journey import Journey
from diwan.payments.v1 import payments_pb2 as payments
from google.type.date_pb2 import Date
from google.type.money_pb2 import Money

from .actors import Actors
from .scenario import PrincipalCall, Scenario, count_entries, count_messages, varied


def publish_tariff(actors: Actors) -> Scenario:
    today = cairo_day(datetime.now(UTC))
    service = f"test.once.s{actors.staff_number().removeprefix('G-')}"
    fee = payments.Fee(
        service=service,
        channel="*",
        governorate="*",
        valid_from=Date(year=today.year, month=today.month, day=today.day),
        amount=Money(currency_code="EGP", units=20),
        agency="test",
    )
    request = payments.PublishTariffRequest(request_id=str(uuid.uuid4()), fees=[fee])
    other = varied(request)
    other.fees[0].amount.units = 30
    return Scenario(
        request,
        token=actors.session("tariff_manager").token("payments"),
        effect=lambda: {
            "fees": [fee["amount"] for fee in published_fees(actors) if fee["service"] == service],
        },
        once={"fees": [20_00]},
        other=other,
    )


def published_fees(actors: Actors) -> list[dict[str, Any]]:
    (schedule,) = actors.probes.documents("payments", "schedules")
    fees: list[dict[str, Any]] = schedule["state"]["fees"]
    return fees


def create_payment(actors: Actors) -> Scenario:
    principal = actors.signed_in_citizen()
    case, payment = actors.create_due_case(principal)
    request = actors.payment_request(case)
    return Scenario(
        request,
        token=principal.session.token("payments"),
        effect=lambda: {
            "charges": charges(actors, payment.payment_id),
            "published": count_published(actors, payment.payment_id),
            "entries": count_entries(actors, payment.payment_id, "due", "settled"),
            "messages": count_messages(actors, case, "payment.settled"),
        },
        once={"charges": ["settled"], "published": 3, "entries": [1, 1], "messages": 1},
        other=varied(request, card_token="tok_twice"),
    )


def count_published(actors: Actors, payment_id: str) -> int:
    """Return how many events and commands a payment published: due, the charge command, settled."""
    (document,) = actors.probes.documents("payments", "payments", _id=payment_id)
    return int(document["sequence"])


def charges(actors: Actors, payment_id: str) -> list[str]:
    (document,) = actors.probes.documents("payments", "payments", _id=payment_id)
    return [charge["state"] for charge in document["state"]["charges"]]


def principal_call(journey: Journey) -> PrincipalCall:
    return "GetPayment", payments.GetPaymentRequest(subject_id=journey.case.power_of_attorney_id)


SERVICE = "diwan.payments.v1.PaymentService"
SCENARIOS = {"PublishTariff": publish_tariff, "CreatePayment": create_payment}
