"""What of messaging runs in a process: made here, the same for every service."""

import uuid
from collections.abc import Sequence
from typing import TypeVar

from chassis.key_ring import KeyRing
from chassis.life import Component, Env
from chassis.messaging.consumer import Consumer
from chassis.messaging.inbox_worker import InboxWorker
from chassis.messaging.message_processor import MessageProcessor
from chassis.messaging.relay import Relay
from chassis.policies import Policies, Policy
from chassis.settings import ServiceSettings
from chassis.store import Database
from chassis.timers import Timer, Timers

S = TypeVar("S", bound=ServiceSettings)


def messaging_components(
    env: Env[S],
    database: Database,
    keys: KeyRing,
    *,
    policies: Sequence[Policy] = (),
    timers: Sequence[Timer] = (),
) -> list[Component]:
    """The relay, the consumer with its retries, and the timers, as far as this process runs them.

    Each that must answer is added to the process's readiness.

    Args:
        env: what `life.run` gave.
        database: the service's.
        keys: the service's, to open what is sealed for it.
        policies: the service's table; ValueError if it names a queue that is not the service's.
        timers: the service's table.

    """
    holder = f"{env.name}-{uuid.uuid4().hex[:12]}"
    uri = env.settings.broker_uri
    made: list[Component] = []
    if env.wants("relay"):
        relay = Relay(database, uri, env.name, holder=holder)
        env.readiness.add("relay", relay.check)
        made.append(relay)
    if env.wants("policies"):
        table = Policies(env.name, policies)
        processor = MessageProcessor(table, database.inbox, keys, clock=env.clock)
        consumer = Consumer(database, uri, env.name, table, processor)
        env.readiness.add("policies", consumer.check)
        made += [
            consumer,
            InboxWorker(database, processor, holder=holder),
            Timers(database, timers, holder=holder),
        ]
    return made
