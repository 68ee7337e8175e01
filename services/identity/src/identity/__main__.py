"""Wiring of the identity service: `python -m identity --help`."""

from functools import partial

from chassis import access_log, telemetry
from chassis.retention import Retention
from chassis.service import ServiceContext, ServiceDefinition, serve
from chassis.tokens import TokenKeys
from diwan.identity.v1 import identity_pb2

from identity import policies, queries
from identity.api import IdentityApi
from identity.context import Context
from identity.errors import ERRORS
from identity.networks import Networks
from identity.settings import Settings
from identity.signing import Signing
from identity.store import SCHEMA_VERSION, Store

NAME = "identity"
SERVICE = identity_pb2.DESCRIPTOR.services_by_name["IdentityService"]


async def build(service: ServiceContext[Settings]) -> ServiceDefinition:
    """Build identity's own part. Tokens are verified with its own signing keys, without a remote key set."""
    settings = service.env.settings
    signing = Signing.read(settings.keys_dir)
    store = await Store.open(service.database)
    context = Context(
        store,
        service.keys,
        signing,
        settings,
        telemetry.current(),
        Networks(settings.starts_per_address),
        service.env.clock,
    )
    return ServiceDefinition(
        rpcs=[(SERVICE, IdentityApi(context))],
        policies=policies.table(context),
        retentions=[Retention(store.access_log.records, access_log.TIME, settings.access_log_days)],
        tokens=TokenKeys.own(
            NAME,
            signing.key,
            *signing.retired,
            is_revoked=partial(queries.is_revoked, context),
            clock=service.env.clock,
        ),
    )


if __name__ == "__main__":
    serve(
        NAME,
        Settings,
        build,
        errors=ERRORS,
        schema_version=SCHEMA_VERSION,
        check_keys=lambda env: Signing.read(env.settings.keys_dir),
    )
