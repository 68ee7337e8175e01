"""A connector's connections to the broker. kombu is only partly typed, so its objects are `Any`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import amqp.exceptions
from kombu.connection import Connection
from kombu.entity import Queue
from kombu.messaging import Consumer
from kombu.transport.pyamqp import Transport

from chassis import log
from chassis.backoff import Backoff
from chassis.broker_login import BrokerLogin

HEARTBEAT_SECONDS = 20
CONNECT_LIMIT_SECONDS = 10
PAUSE_FIRST_SECONDS = 0.1
PAUSE_LAST_SECONDS = 5.0

CONNECTION_ERRORS: tuple[type[BaseException], ...] = (
    *Transport.connection_errors,
    *Transport.channel_errors,
    amqp.exceptions.AMQPError,
    OSError,
)
"""Raised by a lost, refused or closed connection or channel."""

_log = log.get(__name__)


LOGIN_ERRORS: Final = (amqp.exceptions.AccessRefused, amqp.exceptions.NotAllowed)
"""Raised by `connected` when the broker refuses user, password (403) or vhost (530)."""


@contextmanager
def connected(uri: str, name: str, login: BrokerLogin) -> Iterator[Any]:
    """An open connection, closed at the end of the block; one of `CONNECTION_ERRORS` when it cannot be opened.

    WrongSetting when the broker has refused the login for a minute.
    """
    connection: Any = Connection(  # type: ignore[no-untyped-call]  # see above
        uri,
        heartbeat=HEARTBEAT_SECONDS,
        connect_timeout=CONNECT_LIMIT_SECONDS,
        transport_options={"client_properties": {"connection_name": name, "product": "diwan"}},
    )
    try:
        _connect(connection, login)
        _log.info("broker connected", connection=name)
        yield connection
    finally:
        # An orderly close of a lost connection would wait for its time-out.
        connection.collect()


def _connect(connection: Any, login: BrokerLogin) -> None:
    try:
        connection.connect()
    except LOGIN_ERRORS:
        login.refused()
        raise
    except CONNECTION_ERRORS:
        login.accepted()
        raise
    login.accepted()


def backoff() -> Backoff:
    """Backoff between attempts to connect, also after a connection that was soon lost."""
    return Backoff(PAUSE_FIRST_SECONDS, PAUSE_LAST_SECONDS)


def queue_consumer(channel: Any, queue: str, on_message: Callable[[Any], None]) -> Any:
    """A consumer of an existing queue, not started; it passes raw messages to `on_message` and acks none."""
    existing = Queue(queue, no_declare=True)  # type: ignore[no-untyped-call]  # see above
    return Consumer(  # type: ignore[no-untyped-call]  # see above
        channel, queues=[existing], on_message=on_message, auto_declare=False
    )
