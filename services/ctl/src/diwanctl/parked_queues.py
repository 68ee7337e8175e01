"""The parked messages of connectors. Connectors have no store: the messages are in queues `<queue>.parked`."""

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
from google.protobuf.message import Message
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError

from diwanctl.config import Broker, Config

CONNECTORS: Final[Mapping[str, list[str]]] = json.loads(
    files("diwanctl").joinpath("connectors.json").read_text(encoding="utf-8")
)
"""The queues of each connector; the file is rendered from deploy/platform.yaml."""

USER: Final = "operator"
READ_MAX: Final = 1000
TIMEOUT_SECONDS: Final = 10
REASON, ATTEMPT, FIRST_USER = "diwan-reason", "diwan-attempt", "diwan-user"


class Refused(click.ClickException):
    """A message cannot, or must not, be handled so; other messages can."""


@dataclass(frozen=True)
class ParkedMessage:
    """A message of a parked queue, unacknowledged: it returns to the queue when the connection closes."""

    queue: str
    tag: int
    user: str
    attributes: Mapping[str, Any]
    body: bytes

    @property
    def id(self) -> str:
        """Its id for commands; the same for the same message."""
        return fingerprint(self.queue, self.attributes, self.body)

    def row(self) -> dict[str, Any]:
        """Its row in a list."""
        return {
            "parked_id": self.id,
            "queue": self.queue,
            "type": self._text(headers.TYPE),
            "event_id": self._text(headers.ID),
            "event_time": self._text(headers.TIME),
            "attempts": self.attributes.get(ATTEMPT, 0),
            "reason": self._text(REASON) or "DELIVERED_TOO_OFTEN",
        }

    def _text(self, name: str) -> str:
        return str(self.attributes.get(name, ""))

    def content(self) -> dict[str, Any]:
        """Its body, personal and sealed fields masked; only the size of a body that cannot be read."""
        message = self.message()
        return {"unreadable_bytes": len(self.body)} if message is None else masked_message(message)

    def message(self) -> Message | None:
        """Its body as a message of its type; None if it cannot be read."""
        kind = event_type(self._text(headers.TYPE))
        try:
            return protojson.loads(self.body, kind) if kind else None
        except protojson.Unreadable:
            return None


@contextmanager
def open_channel(config: Config) -> Iterator[BlockingChannel]:
    """A channel of the operator; a ClickException if the broker is unavailable or refuses the operator."""
    if config.broker is None:
        raise click.ClickException(
            "the configuration has no `broker`, which holds the parked queues of connectors"
        )
    try:
        with pika.BlockingConnection(_parameters(config.broker)) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            yield channel
    except (AMQPError, OSError) as error:
        raise click.ClickException(f"the broker: {type(error).__name__} {error}".strip()) from error


def read(channel: BlockingChannel, connector: str, limit: int = READ_MAX) -> Iterator[ParkedMessage]:
    """The oldest parked messages of a connector, one by one, at most `limit` of each queue; none is removed."""
    for queue in CONNECTORS[connector]:
        for _ in range(limit):
            method, properties, body = channel.basic_get(parked_queue(queue))
            if method is None or properties is None:
                break
            attributes = {k: v for k, v in (properties.headers or {}).items() if not k.startswith("x-")}
            user = properties.user_id or ""
            yield ParkedMessage(queue, method.delivery_tag or 0, user, attributes, body or b"")


def check_replay(parked: ParkedMessage) -> None:
    """Raise Refused for a message that the connector could not read, and for a one-time code."""
    message = parked.message()
    if message is None:
        raise Refused("the message cannot be read: its type is unknown, or its body is none of its type")
    if getattr(message, "once", False):
        raise Refused("a one-time code is never submitted twice: let a new one be sent")


def replay(channel: BlockingChannel, parked: ParkedMessage) -> None:
    """Publish a copy to the connector's queue, with its count of attempts reset, and remove the parked message."""
    reader = parked.queue.split(".")[0]
    # A message parked by the broker still has its publisher's `user_id`; a connector's copy has it in a header.
    user = str(parked.attributes.get(FIRST_USER) or (parked.user if parked.user != reader else ""))
    properties = pika.BasicProperties(
        content_type=headers.CONTENT_TYPE,
        delivery_mode=headers.PERSISTENT,
        message_id=str(parked.attributes.get(headers.ID, "")),
        user_id=USER,
        headers={**parked.attributes, FIRST_USER: user, ATTEMPT: 0},
    )
    channel.basic_publish(retry_exchange(reader), parked.queue, parked.body, properties, mandatory=True)
    channel.basic_ack(parked.tag)


def discard(channel: BlockingChannel, parked: ParkedMessage) -> None:
    """Remove a parked message for good."""
    channel.basic_ack(parked.tag)


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
