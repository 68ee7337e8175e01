"""Commits of other processes, as the server's change stream tells of them: which aggregates, and nothing of them."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress

from motor.motor_asyncio import AsyncIOMotorDatabase
from pymongo.errors import PyMongoError

from chassis.store.document import Document
from chassis.store.driver import translated
from chassis.store.envelope import Key

# How long the server holds a question that has no answer yet: well below the connection's time-out, and all that
# a thread of the driver may outlive who was cancelled.
_AWAIT_MS = 1_000
_CLOSE_SECONDS = 1.0


class ChangeStream:
    """Tells of commits that leave something to send. Made by `Database.change_stream`.

    It may tell late, twice, or not at all, and it tells nothing of what was before it was opened: it wakes, the
    outboxes are the truth.

    Args:
        database: the database.
        collections: gives the names of its collections of aggregates.
        writer: this process's own name in the write_tokens of its writes, which are left out: it knows of them.
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
        """None once the stream is open, then each aggregate in which another process left something to send.

        Raises:
            StoreError: the server offers none, or it broke. It ends without an error when the server ends it.
        """
        with translated():
            changes = self._database.watch(self._wanted(), max_await_time_ms=_AWAIT_MS)
            try:
                # Opens it. Not by `async with`, whose end waits for a server that hangs.
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

    def _wanted(self) -> list[Document]:
        """Chosen by the server, and cut down to the key there: no content of a document travels, or is read.

        Only commands write a write_token. The relay's own taking out, which changes `unsent` too, writes none.
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
