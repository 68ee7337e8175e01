"""What connectors parked. They have no store: it lies on `<queue>.parked`, and is looked at over AMQP."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

import click
import pika
from chassis import protojson
from chassis.masks import masked_message
from chassis.messaging import headers
from chassis.messaging.event_registry import event_type
from chassis.messaging.inbound import fingerprint
from chassis.messaging.names import parked_queue, retry_exchange
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError

from diwanctl.config import Broker, Config

CONNECTORS: Final[Mapping[str, list[str]]] = json.loads(
    files("diwanctl").joinpath("connectors.json").read_text(encoding="utf-8")
)
"""The queues of each connector; the file is rendered from deploy/platform.yaml."""

USER: Final = "operator"
LOOKED_AT_MAX: Final = 1000
TIMEOUT_SECONDS: Final = 10
REASON, ATTEMPT, FIRST_USER = "diwan-reason", "diwan-attempt", "diwan-user"


@dataclass(frozen=True)
class Parked:
    """A message on a parked queue, held by us until the connection closes: then it lies there again."""

    queue: str
    tag: int
    user: str
    told: Mapping[str, Any]
    body: bytes

    @property
    def id(self) -> str:
        """The same for the same message, however often it is looked at."""
        return fingerprint(self.queue, self.told, self.body)

    def row(self) -> dict[str, Any]:
        """What a list shows of it."""
        told = {
            name: str(self.told.get(name, "")) for name in (headers.TYPE, headers.ID, headers.TIME, REASON)
        }
        return {
            "parked_id": self.id,
            "queue": self.queue,
            "type": told[headers.TYPE],
            "event_id": told[headers.ID],
            "event_time": told[headers.TIME],
            "attempts": self.told.get(ATTEMPT, 0),
            "reason": told[REASON] or "DELIVERED_TOO_OFTEN",
        }

    def content(self) -> dict[str, Any]:
        """Its body with personal and sealed fields masked; empty if it is not what its type says."""
        kind = event_type(str(self.told.get(headers.TYPE, "")))
        try:
            return masked_message(protojson.loads(self.body, kind)) if kind else {}
        except protojson.Unreadable:
            return {}


@contextmanager
def opened(config: Config) -> Iterator[BlockingChannel]:
    """A channel of the operator's; a ClickException where the broker is not there or does not let us."""
    if config.broker is None:
        raise click.ClickException("the configuration names no `broker`, on which connectors park")
    try:
        with pika.BlockingConnection(_parameters(config.broker)) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            yield channel
    except (AMQPError, OSError) as error:
        raise click.ClickException(f"the broker: {type(error).__name__} {error}".strip()) from error


def parked(channel: BlockingChannel, connector: str, limit: int = LOOKED_AT_MAX) -> Iterator[Parked]:
    """The oldest of what a connector parked, one by one, at most `limit` a queue; none of it is taken away."""
    for queue in CONNECTORS[connector]:
        for _ in range(limit):
            method, properties, body = channel.basic_get(parked_queue(queue))
            if method is None or properties is None:
                break
            told = {k: v for k, v in (properties.headers or {}).items() if not k.startswith("x-")}
            yield Parked(queue, method.delivery_tag or 0, properties.user_id or "", told, body or b"")


def find(channel: BlockingChannel, connector: str, parked_id: str) -> Parked:
    """The one of that id; a ClickException if it is not among the oldest."""
    for each in parked(channel, connector):
        if each.id == parked_id:
            return each
    raise click.ClickException(f"no such message among the {LOOKED_AT_MAX} oldest of {connector}")


def replay(channel: BlockingChannel, found: Parked) -> None:
    """Give it to its connector once more, with all its tries before it, and take it away when the broker has that."""
    if found.content().get("once"):
        raise click.ClickException("a one-time code is never submitted twice: let a new one be sent")
    reader = found.queue.split(".")[0]
    # What the broker itself parked still bears its publisher's name, a connector's copy says it in a header.
    user = str(found.told.get(FIRST_USER) or (found.user if found.user != reader else ""))
    properties = pika.BasicProperties(
        content_type=headers.CONTENT_TYPE,
        delivery_mode=headers.PERSISTENT,
        message_id=str(found.told.get(headers.ID, "")),
        user_id=USER,
        headers={**found.told, FIRST_USER: user, ATTEMPT: 0},
    )
    channel.basic_publish(retry_exchange(reader), found.queue, found.body, properties, mandatory=True)
    channel.basic_ack(found.tag)


def discard(channel: BlockingChannel, found: Parked) -> None:
    """Take it away for good."""
    channel.basic_ack(found.tag)


def _parameters(broker: Broker) -> pika.ConnectionParameters:
    try:
        password = broker.password_file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise click.ClickException(f"{broker.password_file}: {type(error).__name__}") from error
    return pika.ConnectionParameters(
        broker.host,
        broker.port,
        broker.vhost,
        pika.PlainCredentials(USER, password),
        socket_timeout=TIMEOUT_SECONDS,
        blocked_connection_timeout=TIMEOUT_SECONDS,
    )
