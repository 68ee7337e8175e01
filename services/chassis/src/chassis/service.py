"""A service: what it is built from, what it defines, and how the chassis makes components of both.

def main() -> None:
    serve("notary", Settings, build, errors=ERRORS, schema_version=SCHEMA_VERSION)

async def build(service: ServiceContext[Settings]) -> ServiceDefinition:
    context = Context(await Store.open(service.database), Accounts(service.client("identity")))
    return ServiceDefinition(rpcs=[(SERVICE, Api(context))], policies=policies.table(context))

`serve` hands `assemble` to `chassis.process`, which starts, watches and stops the components that it returns.
"""

import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, NoReturn, TypeVar

from google.protobuf.descriptor import ServiceDescriptor

from chassis import operations
from chassis.components import Component
from chassis.errors import ErrorSet
from chassis.key_ring import KeyRing
from chassis.messaging.consumer import Consumer
from chassis.messaging.event_encoder import EventEncoder
from chassis.messaging.inbox_worker import InboxWorker
from chassis.messaging.message_processor import MessageProcessor
from chassis.messaging.policies import Policies, Policy
from chassis.messaging.relay import Relay
from chassis.process import Env, run
from chassis.rpc.clients import Clients
from chassis.rpc.server import Server
from chassis.settings import ServiceSettings
from chassis.store import Database
from chassis.timers import Timer, Timers
from chassis.tokens import TokenKeys

KEPT_KEYS = "identity.jwks"
"""File in the state folder with identity's public keys as last fetched."""

S = TypeVar("S", bound=ServiceSettings)


@dataclass(frozen=True)
class ServiceContext(Generic[S]):
    """What a service is built from.

    Attributes:
        env: settings, clock, which roles run here, readiness.
        database: open.
        keys: the service's own.
        tokens: checks tokens and confirmations with identity's public keys.
        clients: of other services; see `client`.
    """

    env: Env[S]
    database: Database
    keys: KeyRing
    tokens: TokenKeys
    clients: Clients

    def client(self, other: str) -> Any:
        """The `grpc.aio.Channel` to another service, with this service's own token; the chassis closes it.

        Its target is the setting `<other>_target`. ValueError if that is not set.
        """
        return self.clients.channel(other)


@dataclass(frozen=True, kw_only=True)
class ServiceDefinition:
    """What a service adds to what all services have.

    Attributes:
        rpcs: descriptors, and the objects that answer them.
        policies: its table; ValueError if it names a queue that is not the service's.
        timers: its table.
        components: of its own; they stop after API and policies, which use them.
        tokens: checks tokens instead of the context's; identity's own, which checks with the keys it signs with.
    """

    rpcs: Sequence[tuple[ServiceDescriptor, object]]
    policies: Sequence[Policy] = ()
    timers: Sequence[Timer] = ()
    components: Sequence[Component] = ()
    tokens: TokenKeys | None = None


Build = Callable[[ServiceContext[S]], Awaitable[ServiceDefinition]]


def serve(
    name: str, settings_class: type[S], build: Build[S], *, errors: ErrorSet, schema_version: int
) -> NoReturn:
    """Run a service until SIGTERM.

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
    """A service's components, each after those that it uses: they stop the other way round."""
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
    clients = Clients(env.name, settings, clock=env.clock)
    kept_keys = settings.state_dir / KEPT_KEYS
    tokens = TokenKeys(env.name, path=kept_keys, fetch=clients.signing_keys, clock=env.clock)
    definition = await build(ServiceContext(env, database, keys, tokens, clients))
    env.readiness.add("store", partial(_answers, database))
    # Without the role `api` the server answers for health alone: all processes are watched in the same way.
    rpcs = [*definition.rpcs, operations.service(database)] if env.wants("api") else []
    server = Server(
        env.name,
        settings,
        services=rpcs,
        errors=errors,
        keys=definition.tokens or tokens,
        hashed=keys.keyed_hash,
        readiness=env.readiness,
        clock=env.clock,
    )
    return [
        _Connections(database, clients),
        *definition.components,
        *messaging_components(env, database, keys, definition.policies, definition.timers),
        server,
    ]


def messaging_components(
    env: Env[S], database: Database, keys: KeyRing, policies: Sequence[Policy], timers: Sequence[Timer]
) -> list[Component]:
    """The relay, the consumer with its retries, and the timers, as far as this process runs them.

    Relay and consumer are added to the process's readiness.
    """
    holder = f"{env.name}-{uuid.uuid4().hex[:12]}"
    uri = env.settings.broker_uri
    components: list[Component] = []
    if env.wants("relay"):
        relay = Relay(database, uri, env.name, holder=holder)
        env.readiness.add("relay", relay.check)
        components.append(relay)
    if env.wants("policies"):
        table = Policies(env.name, policies)
        processor = MessageProcessor(table, database.inbox, keys, clock=env.clock)
        consumer = Consumer(database, uri, env.name, table, processor)
        env.readiness.add("policies", consumer.check)
        inbox_worker = InboxWorker(database, processor, holder=holder)
        components += [consumer, inbox_worker, Timers(database, timers, holder=holder)]
    return components


class _Connections:
    """The store and the channels to other services: all other components use them, so they close last."""

    name = "connections"

    def __init__(self, database: Database, clients: Clients) -> None:
        self._database = database
        self._clients = clients

    async def start(self) -> None:
        """Nothing to begin: the store is open, and a channel opens when it is used."""

    async def stop(self) -> None:
        """Close them."""
        await self._clients.close()
        await self._database.close()


async def _answers(database: Database) -> bool:
    await database.ping()
    return True
