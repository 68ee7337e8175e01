"""The parked messages of one service or connector, behind one interface."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol

import click
from diwan.operations.v1 import operations_pb2 as pb
from diwan.operations.v1 import operations_pb2_grpc
from pika.adapters.blocking_connection import BlockingChannel

from diwanctl import parked_queues
from diwanctl.config import Config
from diwanctl.connection import CallFailed, Invoke, session
from diwanctl.output import as_dict
from diwanctl.parked_filter import Filter
from diwanctl.parked_queues import ParkedMessage, Refused

PAGE: Final = 200
_REFUSALS: Final = ("SECRET_NOT_REPLAYED", "PARKED_UNREADABLE", "NOT_PARKED")


class Gone(click.ClickException):
    """No parked message has the id: it was handled or discarded before, or never existed."""

    def __init__(self) -> None:
        super().__init__("no parked message has this id: it was handled or discarded, or never existed")


class Source(Protocol):
    """Parked messages. Each method may raise Gone, Refused (this message cannot be handled so), or ClickException."""

    def rows(self, matching: Filter) -> Iterator[dict[str, Any]]:
        """The messages that match, each as a row of a list."""

    def show(self, parked_id: str) -> dict[str, Any]:
        """One message with its masked body."""

    def replay(self, parked_id: str, *, validate_only: bool = False) -> dict[str, Any]:
        """Replay a message, or only check that this is possible; its row."""

    def discard(self, parked_id: str, reason: str) -> dict[str, Any]:
        """Discard a message for good; what is known of it."""


@contextmanager
def open_source(context: click.Context, name: str) -> Iterator[Source]:
    """The parked messages of a service or a connector; ClickException if it is unknown or unavailable."""
    config = Config.of(context)
    if name in parked_queues.CONNECTORS:
        with parked_queues.open_channel(config) as channel:
            yield ConnectorSource(channel, name)
    else:
        with session(config, name, operations_pb2_grpc.OperationsServiceStub) as invoke:
            yield ServiceSource(invoke)


class ServiceSource:
    """The parked messages of a service, in its inbox."""

    def __init__(self, invoke: Invoke) -> None:
        self._invoke = invoke

    def page(self, matching: Filter, page_size: int, page_token: str) -> dict[str, Any]:
        """One page, in the order of the ids."""
        request = matching.request()
        request.page_size, request.page_token = page_size, page_token
        return as_dict(self._invoke("ListParked", request))

    def rows(self, matching: Filter) -> Iterator[dict[str, Any]]:
        """All messages that match, page by page, in the order of their ids."""
        token = ""
        while True:
            page = self.page(matching, PAGE, token)
            yield from page["messages"]
            if not (token := page["next_page_token"]):
                return

    def show(self, parked_id: str) -> dict[str, Any]:
        """One message with its masked body."""
        return self._call("GetParked", pb.GetParkedRequest(parked_id=parked_id))

    def replay(self, parked_id: str, *, validate_only: bool = False) -> dict[str, Any]:
        """Replay a message, or only check that this is possible."""
        request = pb.ReplayParkedRequest(parked_id=parked_id, validate_only=validate_only)
        return self._call("ReplayParked", request)

    def discard(self, parked_id: str, reason: str) -> dict[str, Any]:
        """Discard a message."""
        self._call("DiscardParked", pb.DiscardParkedRequest(parked_id=parked_id, reason=reason))
        return {"parked_id": parked_id}

    def _call(self, rpc: str, request: Any) -> dict[str, Any]:
        try:
            return as_dict(self._invoke(rpc, request))
        except CallFailed as failed:
            if failed.reason == "PARKED_NOT_FOUND":
                raise Gone from failed
            if failed.reason in _REFUSALS:
                raise Refused(failed.message) from failed
            raise


class ConnectorSource:
    """The parked messages of a connector, on the broker: only the oldest of each queue are read."""

    def __init__(self, channel: BlockingChannel, connector: str) -> None:
        self._channel = channel
        self._unread = parked_queues.read(channel, connector)
        self._read: dict[str, ParkedMessage] = {}

    def rows(self, matching: Filter) -> Iterator[dict[str, Any]]:
        """The messages that match, the oldest of each queue first."""
        return (message.row() for message in self._messages() if matching.matches(message.row()))

    def show(self, parked_id: str) -> dict[str, Any]:
        """One message with its masked body."""
        message = self._find(parked_id)
        return {**message.row(), "masked_body": message.content()}

    def replay(self, parked_id: str, *, validate_only: bool = False) -> dict[str, Any]:
        """Replay a message, or only check that this is possible."""
        message = self._find(parked_id)
        parked_queues.check_replay(message)
        if not validate_only:
            parked_queues.replay(self._channel, message)
        return message.row()

    def discard(self, parked_id: str, reason: str) -> dict[str, Any]:
        """Discard a message; the broker keeps no record of the reason."""
        message = self._find(parked_id)
        parked_queues.discard(self._channel, message)
        return {**message.row(), "discarded": reason}

    def _messages(self) -> Iterator[ParkedMessage]:
        for message in self._unread:
            # A message that failed again after its replay is met again, with the same id.
            if message.id not in self._read:
                self._read[message.id] = message
                yield message

    def _find(self, parked_id: str) -> ParkedMessage:
        if parked_id not in self._read:
            found = any(message.id == parked_id for message in self._messages())
            if not found and len(self._read) >= parked_queues.READ_MAX:
                raise click.ClickException(f"no such message among the {parked_queues.READ_MAX} oldest")
            if not found:
                raise Gone
        return self._read[parked_id]
