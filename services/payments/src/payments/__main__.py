"""Wiring of the payments service: `python -m payments --help`."""

from datetime import timedelta

from chassis import telemetry
from chassis.process import Env
from chassis.rpc.clients import CLIENT_KEY
from chassis.service import ServiceContext, ServiceDefinition, serve
from chassis.tokens import read_signing_key
from diwan.payments.v1 import payments_pb2

from payments import policies, timers
from payments.api import PaymentApi
from payments.context import Context
from payments.errors import ERRORS
from payments.metrics import Metrics
from payments.settings import Settings
from payments.store import SCHEMA_VERSION, Store

SERVICE = payments_pb2.DESCRIPTOR.services_by_name["PaymentService"]


def check_keys(env: Env[Settings]) -> None:
    """Read the key by which the API process asks identity about an officer's token."""
    if env.wants("api"):
        read_signing_key(env.settings.keys_dir / CLIENT_KEY)


async def build(service: ServiceContext[Settings]) -> ServiceDefinition:
    """Build payments' own part."""
    settings = service.env.settings
    context = Context(
        await Store.open(service.database),
        Metrics(telemetry.current()),
        inquire_after=timedelta(minutes=settings.inquire_minutes),
        clock=service.env.clock,
    )
    return ServiceDefinition(
        rpcs=[(SERVICE, PaymentApi(context))],
        policies=policies.table(context),
        timers=timers.table(context, settings.audit_seconds),
    )


if __name__ == "__main__":
    serve("payments", Settings, build, errors=ERRORS, schema_version=SCHEMA_VERSION, check_keys=check_keys)
