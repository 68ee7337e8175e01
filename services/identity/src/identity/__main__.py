"""Wiring, and nothing else: `python -m identity --help`."""

from collections.abc import Sequence
from functools import partial

from chassis import operations, telemetry
from chassis.life import Env, Part, run
from chassis.messaging.outgoing import OutgoingEvents
from chassis.messaging.parts import parts
from chassis.rpc.server import Server
from chassis.sealed import Keys
from chassis.store import Database
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


async def build(env: Env[Settings]) -> Sequence[Part]:
    """Identity's parts, in the order in which they lean on each other."""
    settings = env.settings
    keys = Keys(NAME, settings.keys_dir)
    signing = Signing.read(settings.keys_dir)
    database = await Database.open(
        settings.store_uri,
        settings.store_database,
        outgoing=OutgoingEvents(NAME, keys),
        refusals=ERRORS,
        schema_version=SCHEMA_VERSION,
        clock=env.clock,
    )
    context = Context(await Store.open(database), keys, signing, settings, telemetry.current())
    env.readiness.add("store", partial(_answers, database))
    # The API stops first, the relay last: what is still decided is still sent.
    made = parts(env, database, keys, policies=policies.table(context))
    if env.wants("api"):
        made.append(
            Server(
                NAME,
                settings,
                services=[(SERVICE, IdentityApi(context)), operations.service(database)],
                errors=ERRORS,
                keys=TokenKeys.own(NAME, signing.key, *signing.retired, clock=env.clock),
                hashed=keys.keyed_hash,
                readiness=env.readiness,
                clock=env.clock,
            )
        )
    return made


async def _answers(database: Database) -> bool:
    await database.ping()
    return True


if __name__ == "__main__":
    run(NAME, Settings, build)
