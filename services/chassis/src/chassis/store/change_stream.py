"""Commits of other processes, from the server's change stream: the keys of changed aggregates, no content."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress

from motor.motor_asyncio import AsyncIOMotorDatabase
from pymongo.errors import PyMongoError

from chassis.store.document import Document
from chassis.store.driver import translated
from chassis.store.envelope import Key

# Longest time that the server holds a request without changes: well below the connection's time-out, because a
# thread of the driver outlives a cancelled caller by this time.
_AWAIT_MS = 1_000
_CLOSE_SECONDS = 1.0


class ChangeStream:
    """Keys of aggregates in which other processes left events to publish. Created by `Database.change_stream`.

    A change may be reported late, twice, or not at all, and none from before the stream was opened: the stream only
    triggers reads of the outboxes, which are authoritative.

    Args:
        database: the database.
        collections: returns the names of its collections of aggregates.
        writer: prefix of this process's own write tokens; its writes are left out.
    """

    def __init__(
        self,
        database: "AsyncIOMotorDatabase[Document]",
        collections: Callable[[], Sequence[str]],
        writer: str,
    ) -> None:
        self._database = database
        self._collections = collections
        self._writer = writer

    async def commits(self) -> AsyncGenerator[Key | None, None]:
        """Yield None once the stream is open, then the key of each changed aggregate.

        It ends without an error when the server closes the stream.

        Raises:
            StoreError: the server has no change streams, or the stream broke.
        """
        with translated():
            changes = self._database.watch(self._pipeline(), max_await_time_ms=_AWAIT_MS)
            try:
                # Opens the stream. Not by `async with`, whose exit waits for a server that hangs.
                await changes.__aenter__()
                yield None
                while changes.alive:  # type: ignore[truthy-function]  # a property, the driver's stubs err
                    change = await changes.try_next()
                    if change is not None:
                        yield change["ns"]["coll"], change["documentKey"]["_id"]
            finally:
                with suppress(PyMongoError, TimeoutError):
                    async with asyncio.timeout(_CLOSE_SECONDS):
                        await changes.close()

    def _pipeline(self) -> list[Document]:
        """The server's filter and projection: only keys are sent, no content of a document.

        Commands set a new `write_token`. The relay's removals change `unsent` too, but no `write_token`.
        """
        others = {"$exists": True, "$not": {"$regex": f"^{self._writer}-"}}
        inserted = {
            "operationType": "insert",
            "fullDocument.unsent": {"$gt": 0},
            "fullDocument.write_token": others,
        }
        updated = {
            "operationType": "update",
            "updateDescription.updatedFields.unsent": {"$exists": True},
            "updateDescription.updatedFields.write_token": others,
        }
        return [
            {"$match": {"ns.coll": {"$in": list(self._collections())}, "$or": [inserted, updated]}},
            {"$project": {"ns.coll": 1, "documentKey": 1}},
        ]
