"""Wiring, and nothing else: `python -m notification --help`."""

from chassis import telemetry
from chassis.service import House, Made, serve
from diwan.notification.v1 import notification_pb2

from notification import catalogue, policies
from notification.api import NotificationApi
from notification.context import Context
from notification.errors import ERRORS
from notification.figures import Figures
from notification.settings import Settings
from notification.store import SCHEMA_VERSION, Store

SERVICE = notification_pb2.DESCRIPTOR.services_by_name["NotificationService"]


async def make(house: House[Settings]) -> Made:
    """Notification's own part."""
    context = Context(await Store.open(house.database), catalogue.load(), Figures(telemetry.current()))
    return Made(rpcs=[(SERVICE, NotificationApi(context))], policies=policies.table(context))


if __name__ == "__main__":
    serve("notification", Settings, make, errors=ERRORS, schema_version=SCHEMA_VERSION)
