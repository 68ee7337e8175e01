"""Wiring, and nothing else: `python -m payments --help`."""

from datetime import timedelta

from chassis import telemetry
from chassis.service import House, Made, serve
from diwan.payments.v1 import payments_pb2

from payments import policies, timers
from payments.api import PaymentApi
from payments.context import Context
from payments.errors import ERRORS
from payments.figures import Figures
from payments.settings import Settings
from payments.store import SCHEMA_VERSION, Store

SERVICE = payments_pb2.DESCRIPTOR.services_by_name["PaymentService"]


async def make(house: House[Settings]) -> Made:
    """Payments' own part."""
    settings = house.env.settings
    context = Context(
        await Store.open(house.database),
        Figures(telemetry.current()),
        patience=timedelta(minutes=settings.inquire_minutes),
        clock=house.env.clock,
    )
    return Made(
        rpcs=[(SERVICE, PaymentApi(context))],
        policies=policies.table(context),
        timers=timers.table(context, settings.audit_seconds),
    )


if __name__ == "__main__":
    serve("payments", Settings, make, errors=ERRORS, schema_version=SCHEMA_VERSION)
