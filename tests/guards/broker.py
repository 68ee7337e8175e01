"""Access to the broker as an integrator or connector that publishes, and as an administrator who reads everything."""

import secrets
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pika
from embedded.layout import Layout
from embedded.rabbit import RabbitNode
from platform_table.load import platform

TAP = "tap"


@contextmanager
def channel_of(layout: Layout, user: str, password: str = "") -> Iterator[Any]:
    """Open a channel as a broker user on the stack's node."""
    uri = node_of(layout).uri(user, password or layout.password(user))
    with pika.BlockingConnection(pika.URLParameters(uri)) as connection:
        yield connection.channel()


def node_of(layout: Layout) -> RabbitNode:
    node = RabbitNode.find(layout.data / "broker")
    assert node is not None
    return node


def publish(
    layout: Layout,
    user: str,
    exchange: str,
    key: str,
    event_type: str,
    body: str,
    *,
    subject: str,
    event_id: str = "",
) -> str:
    """Publish one event as the owner of the exchange; return the event's id."""
    event_id = event_id or str(uuid.uuid4())
    headers = {
        "cloudEvents_id": event_id,
        "cloudEvents_source": f"diwan/{user}",
        "cloudEvents_type": event_type,
        "cloudEvents_specversion": "1.0",
        "cloudEvents_time": datetime.now(UTC).isoformat(),
        "cloudEvents_subject": subject,
        "cloudEvents_sequence": "1",
    }
    properties = pika.BasicProperties(
        content_type="application/json", delivery_mode=2, message_id=event_id, user_id=user, headers=headers
    )
    with channel_of(layout, user) as channel:
        channel.confirm_delivery()
        channel.basic_publish(exchange, key, body.encode(), properties, mandatory=True)
    return event_id


@dataclass(frozen=True)
class CapturedMessage:
    """One message as the tap received it."""

    exchange: str
    key: str
    properties: str
    body: str
    headers: Mapping[str, Any]


class Tap:
    """Captures every message of every exchange while it is open, with its own user and queue."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._password = secrets.token_urlsafe(16)
        self._captured: list[CapturedMessage] = []

    @contextmanager
    def open(self) -> Iterator[None]:
        """Capture with a queue of its own."""
        vhost = node_of(self._layout).vhost
        self._administer("add_user", TAP, self._password, "tests")
        self._administer("set_permissions", TAP, vhost, ".*", ".*", ".*", "tests")
        try:
            with self._channel() as channel:
                channel.queue_declare(TAP, durable=True)
                for program in platform().programs.values():
                    for exchange in program.exchanges:
                        channel.queue_bind(TAP, exchange, "#")
            yield
            with self._channel() as channel:
                channel.queue_delete(TAP)
        finally:
            self._administer("delete_user", TAP, "tests")

    def captured(self) -> list[CapturedMessage]:
        """Return all messages since the tap was opened, in the broker's order."""
        with self._channel() as channel:
            while True:
                method, properties, body = channel.basic_get(TAP, auto_ack=True)
                if method is None:
                    return self._captured
                self._captured.append(
                    CapturedMessage(
                        method.exchange,
                        method.routing_key,
                        str(properties),
                        body.decode(errors="replace"),
                        properties.headers or {},
                    )
                )

    def _channel(self) -> Any:
        return channel_of(self._layout, TAP, self._password)

    def _administer(self, function: str, *words: str) -> None:
        arguments = ", ".join(f'<<"{word}">>' for word in words)
        node_of(self._layout).evaluate(f"rabbit_auth_backend_internal:{function}({arguments}).")
