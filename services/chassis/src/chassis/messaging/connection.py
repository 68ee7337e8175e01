"""One AMQP connection on asyncio: pika's callbacks as awaitables, and reconnection."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from typing import Any

import pika
from pika.adapters.asyncio_connection import AsyncioConnection
from pika.channel import Channel
from pika.exceptions import (
    AuthenticationError,
    ConnectionClosedByBroker,
    ProbableAccessDeniedError,
    ProbableAuthenticationError,
)

from chassis import log
from chassis.backoff import Backoff
from chassis.broker_login import BrokerLogin
from chassis.components import within

HEARTBEAT_SECONDS = 20
OPEN_LIMIT_SECONDS = 15
BACKOFF_FIRST_SECONDS = 0.1
BACKOFF_LAST_SECONDS = 5.0

_LOGIN_ERRORS = (AuthenticationError, ProbableAuthenticationError, ProbableAccessDeniedError)
_REFUSALS = (403, 530)  # ACCESS_REFUSED, and NOT_ALLOWED for a vhost

_log = log.get(__name__)


class BrokerLost(Exception):
    """The connection or channel was lost or could not be opened; the text is the kind of fault, without addresses."""


class LoginRefused(BrokerLost):
    """The broker refuses user, password or vhost."""


class Connection:
    """An open connection. When it is lost, `lost` is set and every `wait` raises BrokerLost."""

    def __init__(self, connection: AsyncioConnection) -> None:
        self._connection = connection
        self.lost = asyncio.get_running_loop().create_future()
        self.blocked = False
        connection.add_on_close_callback(lambda _, error: self._set_lost(error))
        connection.add_on_connection_blocked_callback(lambda *_: self._set_blocked(blocked=True))
        connection.add_on_connection_unblocked_callback(lambda *_: self._set_blocked(blocked=False))

    @classmethod
    async def open(cls, uri: str, name: str) -> "Connection":
        """Connect under a name, which the broker's management shows.

        BrokerLost if it does not answer in 15 s; LoginRefused.
        """
        opened: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        parameters = pika.URLParameters(uri)
        parameters.heartbeat = HEARTBEAT_SECONDS
        parameters.client_properties = {"connection_name": name, "product": "diwan"}
        connection = AsyncioConnection(
            parameters,
            on_open_callback=lambda connection: _settle(opened, connection),
            on_open_error_callback=lambda _, error: _settle(opened, error),
            on_close_callback=lambda _, error: _settle(opened, error),
        )
        try:
            async with asyncio.timeout(OPEN_LIMIT_SECONDS):
                result = await opened
        except TimeoutError:
            _close(connection)
            raise BrokerLost("the broker does not answer") from None
        if _is_refusal(result):
            raise LoginRefused(type(result).__name__) from None
        if isinstance(result, BaseException):
            raise BrokerLost(type(result).__name__) from None
        return cls(connection)

    async def channel(self) -> Channel:
        """Open a channel; BrokerLost if the connection is lost meanwhile."""
        opened: asyncio.Future[Channel] = asyncio.get_running_loop().create_future()
        self._connection.channel(on_open_callback=lambda channel: _settle(opened, channel))
        return await self.wait(opened)

    async def wait(self, future: "asyncio.Future[Any]") -> Any:
        """The future's result, or BrokerLost once the connection is lost."""
        await asyncio.wait((future, self.lost), return_when=asyncio.FIRST_COMPLETED)
        if future.done():
            return future.result()
        future.cancel()
        raise BrokerLost(str(self.lost.result()))

    def hold(self, job: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Run a job for as long as the connection lasts; an exception of the job fails the connection."""
        task = asyncio.create_task(job)
        task.add_done_callback(self._on_job_done)
        return task

    def _on_job_done(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and task.exception() is not None:
            _log.error("job of a broker connection failed", exc_info=task.exception())
            self.fail("job failed")

    def fail(self, reason: str) -> None:
        """Close the connection as lost, for example after the loss of one of its channels."""
        self._set_lost(reason)
        _close(self._connection)

    async def close(self) -> None:
        """Close in order; wait for the broker's answer, at most 2 s."""
        if not self.lost.done():
            _close(self._connection)
            await asyncio.wait((self.lost,), timeout=2)

    def _set_lost(self, error: object) -> None:
        # The error's text may quote an address or a queue: only its class is kept.
        _settle(self.lost, error if isinstance(error, str) else type(error).__name__)

    def _set_blocked(self, *, blocked: bool) -> None:
        self.blocked = blocked
        _log.warning("broker blocks publishers" if blocked else "broker accepts messages again")


async def reconnecting(uri: str, name: str, stopping: asyncio.Event) -> AsyncGenerator[Connection, None]:
    """Yield one connection after another until `stopping` is set; closing the generator closes the last.

    WrongSetting when the broker has refused the login for a minute.
    """
    login = BrokerLogin(uri, name)
    backoff = Backoff(BACKOFF_FIRST_SECONDS, BACKOFF_LAST_SECONDS)
    while not stopping.is_set():
        try:
            connection = await Connection.open(uri, name)
        except LoginRefused:
            login.refused()
        except (BrokerLost, OSError) as error:
            login.accepted()
            _log.warning("broker is away", connection=name, error_type=str(error) or type(error).__name__)
        else:
            login.accepted()
            _log.info("broker connected", connection=name)
            backoff.opened()
            try:
                yield connection
            finally:
                await connection.close()
        await within(stopping, backoff.next())


def _is_refusal(result: object) -> bool:
    closed = isinstance(result, ConnectionClosedByBroker) and result.reply_code in _REFUSALS
    return closed or isinstance(result, _LOGIN_ERRORS)


def _settle(future: "asyncio.Future[Any]", result: object) -> None:
    if not future.done():
        future.set_result(result)


def _close(connection: AsyncioConnection) -> None:
    if not (connection.is_closing or connection.is_closed):
        connection.close()
