"""One holder at a time: what the relay and the timers of a service run under."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo.errors import DuplicateKeyError

from chassis.store.document import Document
from chassis.store.driver import translated

LEASES = "leases"
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class Lease:
    """A lease of one name. Made by `Database.lease`.

    Holders compare their own clocks with the time written by another: keep `ttl` well above how far clocks
    differ, and renew at a third of it. What is done under a lease must bear being done twice: a holder that
    was stopped for longer than `ttl` learns only at its next renewal that it has lost it.
    """

    def __init__(
        self,
        collection: "AsyncIOMotorCollection[Document]",
        name: str,
        holder: str,
        ttl: timedelta,
        clock: Callable[[], datetime],
    ) -> None:
        self._collection = collection
        self._name = name
        self._holder = holder
        self._ttl = ttl
        self._clock = clock
        self._until = _LONG_AGO

    @property
    def held(self) -> bool:
        """Whether it is held now, as far as can be known without asking."""
        return self._clock() < self._until

    async def acquire(self) -> bool:
        """Take it if it is free, has run out, or is held by this holder; True if it is held now."""
        now = self._clock()
        free = {"_id": self._name, "$or": [{"until": {"$lte": now}}, {"holder": self._holder}]}
        with translated():
            try:
                await self._collection.update_one(free, {"$set": self._terms(now)}, upsert=True)
            except DuplicateKeyError:
                # Nothing matched because another holds it, and the name is taken.
                return self._lost()
        return self._got(now)

    async def renew(self) -> bool:
        """Hold it for another `ttl`; False if somebody else has taken it meanwhile, or it was given back."""
        now = self._clock()
        with translated():
            mine = {"_id": self._name, "holder": self._holder}
            result = await self._collection.update_one(mine, {"$set": self._terms(now)})
        return self._got(now) if result.matched_count else self._lost()

    async def release(self) -> None:
        """Give it back, so that the next holder need not wait for `ttl`."""
        self._lost()
        with translated():
            await self._collection.delete_one({"_id": self._name, "holder": self._holder})

    def _terms(self, now: datetime) -> Document:
        return {"holder": self._holder, "until": now + self._ttl}

    def _got(self, now: datetime) -> bool:
        # Counted from before the question was asked: never longer than what is written.
        self._until = now + self._ttl
        return True

    def _lost(self) -> bool:
        self._until = _LONG_AGO
        return False
