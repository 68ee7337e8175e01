"""The database of a service."""

import asyncio
import random
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Self, TypeVar

from motor.motor_asyncio import AsyncIOMotorClient
from pymongo.errors import OperationFailure, PyMongoError

from chassis import log
from chassis.errors import ErrorSet
from chassis.settings import WrongSetting
from chassis.store.aggregates import Aggregates, Committed, Correlation, EncodeEvent
from chassis.store.change_stream import ChangeStream
from chassis.store.codec import Codec
from chassis.store.deletion import SENT
from chassis.store.document import OPTIONS, REQUEST_INDEX, Document
from chassis.store.driver import DUPLICATE_KEY, translate, translated
from chassis.store.envelope import Unsent
from chassis.store.errors import SchemaTooNew, StoreUnavailable
from chassis.store.inbox import INBOX, INBOX_INDEXES, Inbox
from chassis.store.indexes import Index
from chassis.store.lease import LEASES, Lease
from chassis.store.limits import Limits
from chassis.store.outbox import UNSENT_INDEX, Outbox
from chassis.store.revocations import REVOCATION_INDEXES, REVOCATIONS, RevocationLog
from chassis.times import utc_now

S = TypeVar("S")

# Retryable writes are off: a command makes its own retries, with a check of the recorded cause ids.
# The timeouts are shorter than a caller's deadline, so that a command has time for a retry.
_CONNECTION: dict[str, Any] = {
    "retryWrites": False,
    "retryReads": False,
    "w": "majority",
    "serverSelectionTimeoutMS": 2_000,
    "connectTimeoutMS": 2_000,
    "socketTimeoutMS": 10_000,
    "maxPoolSize": 16,
}
_SLOWEST_PING_SECONDS = 1.0
_LOGIN_REFUSED = (18, 13)  # AuthenticationFailed, Unauthorized

_log = log.get(__name__)
_OWN_INDEXES = f"{UNSENT_INDEX.name}, {REQUEST_INDEX.name}"


def _uncorrelated(_state: object) -> str:
    return ""


class Database:
    """A service's database: its aggregates, their outboxes, the inbox, the revocations and the leases.

    A process has one object, which must be opened and used on one event loop.
    """

    def __init__(
        self,
        client: "AsyncIOMotorClient[Document]",
        name: str,
        *,
        encode_event: EncodeEvent,
        refusals: ErrorSet,
        clock: Callable[[], datetime],
    ) -> None:
        self._client = client
        self._database = client.get_database(name, codec_options=OPTIONS)
        self._encode_event = encode_event
        self._refusals = refusals
        self._clock = clock
        self._listener: Committed | None = None
        self._aggregates: dict[str, Aggregates[object]] = {}
        # Part of each write token: it distinguishes the writes of this process from those of others.
        self._writer = secrets.token_hex(8)
        self.outbox = Outbox(self._database, self._names)
        self.change_stream = ChangeStream(self._database, self._names, self._writer)
        self.inbox = Inbox(self._database[INBOX], clock)
        self.revocations = RevocationLog(self._database[REVOCATIONS], clock)

    @classmethod
    async def open(
        cls,
        uri: str,
        name: str,
        *,
        encode_event: EncodeEvent,
        refusals: ErrorSet,
        schema_version: int = 1,
        timeout: timedelta = timedelta(seconds=60),
        clock: Callable[[], datetime] = utc_now,
    ) -> Self:
        """Connect, wait for the server, check the schema version, and create the indexes of inbox and revocations.

        Args:
            uri: MongoDB connection string.
            name: name of the database.
            encode_event: converts a fact's message to an outbox entry.
            refusals: the service's set of errors, from which stored refusals are raised again.
            schema_version: the version of the documents that this program writes, from 1.
            timeout: maximum time to wait for the server.
            clock: current time, UTC.

        Raises:
            StoreUnavailable: the server did not respond in time.
            SchemaTooNew: a newer program has written to the database.
            WrongSetting: the URI cannot be read, or the server refuses the user.
        """
        client = _client(uri)
        try:
            await _wait_for_server(client, timeout)
            database = cls(client, name, encode_event=encode_event, refusals=refusals, clock=clock)
            await database._prepare(schema_version)
        except BaseException:
            client.close()
            raise
        return database

    async def aggregates(
        self,
        name: str,
        codec: Codec[S],
        *,
        indexes: Sequence[Index] = (),
        limits: Limits | None = None,
        correlation: Correlation[S] = _uncorrelated,
    ) -> Aggregates[S]:
        """Open a collection of aggregates and create its indexes. Called once for each collection, at the start.

        Args:
            name: name of the collection.
            codec: converts between states and documents.
            indexes: indexes in addition to those of all collections.
            limits: the defaults if not given.
            correlation: returns the journey's request number from a state. The events, log lines and spans of each
                command on the aggregate have this number; if it is empty, they have that of the cause.

        Raises:
            ValueError: the collection is open already, or two indexes have the same name.
            StoreUnavailable: the server does not respond.
        """
        if name in self._aggregates:
            raise ValueError(f"the collection {name} is open already")
        indexes = (*map(_without_unsent, indexes), UNSENT_INDEX, REQUEST_INDEX)
        if len({index.name for index in indexes}) < len(indexes):
            raise ValueError(f"two indexes of {name} have the same name; the store defines {_OWN_INDEXES}")
        await self._ensure(name, indexes)
        aggregates = Aggregates(
            self._database[name],
            codec,
            indexes=indexes,
            limits=limits or Limits(),
            encode_event=self._encode_event,
            refusals=self._refusals,
            committed=self._notify,
            correlation=correlation,
            writer=self._writer,
        )
        self._aggregates[name] = aggregates  # type: ignore[assignment]  # kept for `close`, with any type of state
        return aggregates

    def lease(self, name: str, *, holder: str, ttl: timedelta) -> Lease:
        """A lease for one holder, a name that is unique to this process."""
        return Lease(self._database[LEASES], name, holder, ttl, self._clock)

    def listen(self, listener: Committed) -> None:
        """Call `listener` with the unsent events of each commit. It must not block; the relay is the only one."""
        self._listener = listener

    async def ping(self) -> None:
        """Check that the server responds.

        Raises:
            StoreUnavailable: the server does not respond.
        """
        with translated():
            await self._database.command("ping")

    async def close(self) -> None:
        """Finish the running round trips and disconnect."""
        for aggregates in self._aggregates.values():
            await aggregates.close()
        # Closing sends a last command to the server, and blocks while the server is unavailable.
        await asyncio.to_thread(self._client.close)

    def _names(self) -> Sequence[str]:
        return tuple(self._aggregates)

    def _notify(self, unsent: Unsent) -> None:
        if self._listener is not None:
            self._listener(unsent)

    async def _prepare(self, schema_version: int) -> None:
        with translated():
            await self._check_schema(schema_version)
        await self._ensure(INBOX, INBOX_INDEXES)
        await self._ensure(REVOCATIONS, REVOCATION_INDEXES)

    async def _check_schema(self, known: int) -> None:
        """Store our schema version unless the stored one is newer; then raise SchemaTooNew."""
        try:
            await self._database["schema"].update_one(
                {"_id": "schema", "version": {"$lte": known}}, {"$set": {"version": known}}, upsert=True
            )
        except OperationFailure as error:
            if error.code != DUPLICATE_KEY:
                raise
            stored = (await self._database["schema"].find_one({"_id": "schema"}) or {}).get("version", 0)
            # Two programs of one version may start at the same time: the second meets a duplicate key, not an error.
            if stored > known:
                raise SchemaTooNew(stored, known) from None

    async def _ensure(self, name: str, indexes: Sequence[Index]) -> None:
        with translated():
            await self._database[name].create_indexes([index.model() for index in indexes])


def _without_unsent(index: Index) -> Index:
    """An index that removes documents, limited to those whose events are all sent, because TTL ignores the outbox."""
    return index if index.expire_after_seconds is None else replace(index, where={**index.where, **SENT})


def _client(uri: str) -> "AsyncIOMotorClient[Document]":
    try:
        return AsyncIOMotorClient(uri, **_CONNECTION)
    except (PyMongoError, ValueError) as error:
        # The driver's text may quote the URI, which holds a password.
        raise WrongSetting(
            f"the store's URI is wrong ({type(error).__name__}); set STORE_URI to "
            "mongodb://user:password@host:27017/?…, with user and password percent-encoded"
        ) from None


async def _wait_for_server(client: "AsyncIOMotorClient[Document]", timeout: timedelta) -> None:
    """Ping the server with growing pauses until it responds; log the wait at once, then after growing intervals."""
    clock = asyncio.get_running_loop().time
    started, pause, report_at = clock(), 0.05, 0.0
    end = started + timeout.total_seconds()
    while True:
        try:
            await client.admin.command("ping")
        except PyMongoError as error:
            if isinstance(error, OperationFailure) and error.code in _LOGIN_REFUSED:
                raise WrongSetting(
                    "the store refuses the login (AuthenticationFailed); correct user, password and authSource in "
                    "STORE_URI, or the user in the store"
                ) from None
            waited = clock() - started
            if waited >= report_at:
                _log.warning("store does not answer", waited_seconds=round(waited, 1))
                report_at = max(2 * waited, 1.0)
            failure = translate(error)
            if not isinstance(failure, StoreUnavailable) or clock() + pause > end:
                raise failure from None
        else:
            return
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter is no secret
        pause = min(pause * 2, _SLOWEST_PING_SECONDS)
