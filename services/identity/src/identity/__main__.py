"""Wiring, and nothing else: `python -m identity --help`."""

from chassis import telemetry
from chassis.service import House, Made, serve
from chassis.tokens import TokenKeys
from diwan.identity.v1 import identity_pb2

from identity import policies
from identity.api import IdentityApi
from identity.context import Context
from identity.errors import ERRORS
from identity.settings import Settings
from identity.signing import Signing
from identity.store import SCHEMA_VERSION, Store

NAME = "identity"
SERVICE = identity_pb2.DESCRIPTOR.services_by_name["IdentityService"]


async def make(house: House[Settings]) -> Made:
    """Identity's own part. It checks tokens with what it signs them with, and asks nobody."""
    settings = house.env.settings
    signing = Signing.read(settings.keys_dir)
    store = await Store.open(house.database)
    context = Context(store, house.keys, signing, settings, telemetry.current())
    return Made(
        rpcs=[(SERVICE, IdentityApi(context))],
        policies=policies.table(context),
        tokens=TokenKeys.own(NAME, signing.key, *signing.retired, clock=house.env.clock),
    )


if __name__ == "__main__":
    serve(NAME, Settings, make, errors=ERRORS, schema_version=SCHEMA_VERSION)
