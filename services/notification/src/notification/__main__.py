"""Wiring of the notification service: `python -m notification --help`."""

from chassis import telemetry
from chassis.retention import Retention
from chassis.service import ServiceContext, ServiceDefinition, serve
from diwan.notification.v1 import notification_pb2

from notification import catalogue, policies
from notification.api import NotificationApi
from notification.context import Context
from notification.errors import ERRORS
from notification.metrics import Metrics
from notification.settings import Settings
from notification.store import SCHEMA_VERSION, Store

SERVICE = notification_pb2.DESCRIPTOR.services_by_name["NotificationService"]


async def build(service: ServiceContext[Settings]) -> ServiceDefinition:
    """Build notification's own part."""
    context = Context(
        await Store.open(service.database), catalogue.load(), Metrics(telemetry.current()), service.keys
    )
    return ServiceDefinition(
        rpcs=[(SERVICE, NotificationApi(context))],
        policies=policies.table(context),
        retentions=[
            Retention(context.store.messages, "state.create_time", service.env.settings.message_days)
        ],
    )


if __name__ == "__main__":
    serve("notification", Settings, build, errors=ERRORS, schema_version=SCHEMA_VERSION)
