"""A service as it is put together: store, keys, tokens, messaging and API, the same for each.

def main() -> None:
    serve("notary", NotarySettings, build, errors=ERRORS, schema_version=SCHEMA_VERSION)

async def build(service: ServiceContext[NotarySettings]) -> ServiceDefinition:
    context = Context(await Store.open(service.database), ...)
    return ServiceDefinition(rpcs=[(SERVICE, Api(context))], policies=policies.table(context))
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, NoReturn, TypeVar, cast

from google.protobuf.descriptor import ServiceDescriptor

from chassis import operations
from chassis.errors import ErrorSet
from chassis.key_ring import KeyRing
from chassis.life import Component, Env, run
from chassis.messaging.components import messaging_components
from chassis.messaging.event_encoder import EventEncoder
from chassis.policies import Policy
from chassis.rpc.client import connect, identity_keys
from chassis.rpc.server import Server
from chassis.settings import ServiceSettings
from chassis.store import Database
from chassis.timers import Timer
from chassis.tokens import TokenKeys

KEPT_KEYS = "identity.jwks"
"""File in the state folder with identity's public keys as last fetched."""

S = TypeVar("S", bound=ServiceSettings)


@dataclass(frozen=True)
class ServiceContext(Generic[S]):
    """What a service is made in.

    Attributes:
        env: settings, clock, which roles run here, readiness.
        database: open.
        keys: the service's own.
        tokens: checks tokens and confirmations with identity's public keys.
        identity: channel to identity, for more than its keys; identity itself has none.
    """

    env: Env[S]
    database: Database
    keys: KeyRing
    tokens: TokenKeys
    identity: Any


@dataclass(frozen=True, kw_only=True)
class ServiceDefinition:
    """What a service adds to what all have.

    Attributes:
        rpcs: descriptors and what answers them.
        policies: its table.
        timers: its table.
        components: whatever else of its own runs as long as the process; stopped after API and policies, which use it.
        tokens: checks tokens instead of the house's; identity's, which checks with what it signs with.
    """

    rpcs: Sequence[tuple[ServiceDescriptor, object]]
    policies: Sequence[Policy] = ()
    timers: Sequence[Timer] = ()
    components: Sequence[Component] = field(default_factory=tuple)
    tokens: TokenKeys | None = None


Build = Callable[[ServiceContext[S]], Awaitable[ServiceDefinition]]


def serve(
    name: str, settings_class: type[S], build: Build[S], *, errors: ErrorSet, schema_version: int
) -> NoReturn:
    """Run a service until it is asked to stop.

    Args:
        name: of the service; its broker user and the audience of its tokens too.
        settings_class: its settings.
        build: its own part of the wiring.
        errors: its closed set.
        schema_version: of the documents that it writes.
    """
    run(name, settings_class, partial(assemble, build=build, errors=errors, schema_version=schema_version))


async def assemble(
    env: Env[S], *, build: Build[S], errors: ErrorSet, schema_version: int
) -> Sequence[Component]:
    """A service's components, in the order in which they lean on each other."""
    settings = env.settings
    keys = KeyRing(env.name, settings.keys_dir)
    database = await Database.open(
        settings.store_uri,
        settings.store_database,
        encode_event=EventEncoder(env.name, keys),
        refusals=errors,
        schema_version=schema_version,
        clock=env.clock,
    )
    identity = connect(settings.identity_target) if settings.identity_target else None
    tokens = TokenKeys(
        env.name,
        path=settings.state_dir / KEPT_KEYS,
        fetch=identity_keys(identity) if identity else None,
        clock=env.clock,
    )
    made = await build(ServiceContext(env, database, keys, tokens, identity))
    env.readiness.add("store", partial(_answers, database))
    # Stopped the other way round: nothing is asked of a store or a channel that is closed.
    all_components: list[Component] = [_Base(database, identity), *made.components]
    all_components += messaging_components(
        cast("Env[ServiceSettings]", env), database, keys, policies=made.policies, timers=made.timers
    )
    # Without the API its server answers for health alone: whoever watches processes asks all of them the same way.
    all_components.append(
        Server(
            env.name,
            settings,
            services=[*made.rpcs, operations.service(database)] if env.wants("api") else [],
            errors=errors,
            keys=made.tokens or tokens,
            hashed=keys.keyed_hash,
            readiness=env.readiness,
            clock=env.clock,
        )
    )
    return all_components


class _Base:
    """What everything else leans on: closed last."""

    name = "base"

    def __init__(self, database: Database, identity: Any) -> None:
        self._database = database
        self._identity = identity

    async def start(self) -> None:
        """Nothing to begin: the store was opened, and the channel opens when it is used."""

    async def stop(self) -> None:
        """Close the store and the channel."""
        if self._identity:
            await self._identity.close()
        await self._database.close()


async def _answers(database: Database) -> bool:
    await database.ping()
    return True
