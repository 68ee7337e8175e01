"""A service: its context, its definition, and the components that the chassis makes from both.

def main() -> None:
    serve("notary", Settings, build, errors=ERRORS, schema_version=SCHEMA_VERSION)

async def build(service: ServiceContext[Settings]) -> ServiceDefinition:
    context = Context(await Store.open(service.database), Accounts(service.client("identity")))
    return ServiceDefinition(rpcs=[(SERVICE, Api(context))], policies=policies.table(context))

`serve` passes `assemble` to `chassis.process`, which starts, watches and stops the components that it returns.
"""

import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, NoReturn, TypeVar

from google.protobuf.descriptor import ServiceDescriptor

from chassis import operations, retention, revocations
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
from chassis.retention import Retention
from chassis.revocations import Revocations
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
    """The settings, connections and keys from which a service is built.

    Attributes:
        env: settings, clock, roles of this process, readiness.
        database: the service's open database.
        keys: the service's own keys.
        tokens: checks tokens and confirmations with identity's public keys.
        clients: channels to other services; see `client`.
    """

    env: Env[S]
    database: Database
    keys: KeyRing
    tokens: TokenKeys
    clients: Clients

    def client(self, other: str) -> Any:
        """The `grpc.aio.Channel` to another service, with this service's own token; the chassis closes it.

        Its target is the setting `<other>_target`. ValueError if this setting is empty or missing.
        """
        return self.clients.channel(other)


@dataclass(frozen=True, kw_only=True)
class ServiceDefinition:
    """The parts of a service beside those that all services have.

    Attributes:
        rpcs: service descriptors, and the servicers that implement them.
        policies: the table of policies; ValueError if it names a queue of another service.
        timers: the table of timers.
        retentions: the histories that lose their oldest documents after a time.
        components: the service's own components; they stop after API and policies, which use them.
        tokens: replaces the context's token check, None to keep it. Identity checks with its own signing keys and its
            own sessions; all other services keep its revocations.
    """

    rpcs: Sequence[tuple[ServiceDescriptor, object]]
    policies: Sequence[Policy] = ()
    timers: Sequence[Timer] = ()
    retentions: Sequence[Retention] = ()
    components: Sequence[Component] = ()
    tokens: TokenKeys | None = None


Build = Callable[[ServiceContext[S]], Awaitable[ServiceDefinition]]
CheckKeys = Callable[[Env[S]], object]


def _no_keys(_env: object) -> None:
    """The check of a service that has no keys beside those of every service."""


def serve(
    name: str,
    settings_class: type[S],
    build: Build[S],
    *,
    errors: ErrorSet,
    schema_version: int,
    check_keys: CheckKeys[S] = _no_keys,
) -> NoReturn:
    """Run a service until SIGTERM.

    Args:
        name: the service's name; also its broker user and the audience of its tokens.
        settings_class: the class of its settings.
        build: makes the service's definition from its context.
        errors: its closed set of refusals.
        schema_version: version of the documents that it writes, from 1.
        check_keys: reads the key files that `build` will use, WrongSetting for a wrong one, before the store is opened.
    """
    assembled = partial(
        assemble, build=build, errors=errors, schema_version=schema_version, check_keys=check_keys
    )
    run(name, settings_class, assembled)


async def assemble(
    env: Env[S],
    *,
    build: Build[S],
    errors: ErrorSet,
    schema_version: int,
    check_keys: CheckKeys[S] = _no_keys,
) -> Sequence[Component]:
    """A service's components, each after those that it uses; they stop in reverse order."""
    settings = env.settings
    keys = KeyRing(env.name, settings.keys_dir)
    check_keys(env)
    # `/readyz` names the store also while the process waits for it.
    env.readiness.add("store", _not_open)
    database = await Database.open(
        settings.store_uri,
        settings.store_database,
        encode_event=EventEncoder(env.name, keys),
        refusals=errors,
        schema_version=schema_version,
        clock=env.clock,
    )
    clients = Clients(env.name, settings, clock=env.clock)
    revoked = Revocations(database.revocations)
    tokens = TokenKeys(
        env.name,
        path=settings.state_dir / KEPT_KEYS,
        fetch=clients.signing_keys,
        is_revoked=revoked.is_revoked,
        verify=clients.verify_token,
        clock=env.clock,
    )
    definition = await build(ServiceContext(env, database, keys, tokens, clients))
    env.readiness.add("store", partial(_answers, database))
    # Without the role `api` the server serves health checks only, so that all processes are monitored in the same way.
    rpcs = [*definition.rpcs, operations.service(database, keys)] if env.wants("api") else []
    follows = definition.tokens is None
    table = [*definition.policies, *([revocations.policy(env.name, database.revocations)] if follows else [])]
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
    timers = [
        *definition.timers,
        retention.timer(database.inbox, settings.parked_days, definition.retentions, env.clock),
    ]
    return [
        _Connections(database, clients),
        *([revoked] if follows and env.wants("api") else []),
        *definition.components,
        *messaging_components(env, database, keys, table, timers),
        server,
    ]


def messaging_components(
    env: Env[S], database: Database, keys: KeyRing, policies: Sequence[Policy], timers: Sequence[Timer]
) -> list[Component]:
    """The relay, the consumer with its retries, and the timers, according to the roles of this process.

    The readiness of the process includes checks of relay and consumer.
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
    """The database and the channels to other services. All other components use them, so they close last."""

    name = "connections"

    def __init__(self, database: Database, clients: Clients) -> None:
        self._database = database
        self._clients = clients

    async def start(self) -> None:
        """Do nothing: the database is open already, and a channel connects at its first use."""

    async def stop(self) -> None:
        """Close the channels, then the database."""
        await self._clients.close()
        await self._database.close()


async def _not_open() -> bool:
    return False


async def _answers(database: Database) -> bool:
    await database.ping()
    return True
