"""Leases: one holder at a time, for the relay, the inbox worker and the timers of a service."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo.errors import DuplicateKeyError

from chassis.store.document import Document
from chassis.store.driver import translated

LEASES = "leases"
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class Lease:
    """A lease of one name. Created by `Database.lease`.

    A holder compares its own clock with the time written by another: keep `ttl` well above the difference of
    clocks, and renew at a third of it. Work under a lease must be idempotent: a holder that was suspended for longer
    than `ttl` detects the loss only at its next renewal.
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
        """Whether it is held now, by the local clock, without a round trip."""
        return self._clock() < self._until

    async def acquire(self) -> bool:
        """Take it if it is free, expired, or held by this holder; whether it is held now."""
        now = self._clock()
        free = {"_id": self._name, "$or": [{"until": {"$lte": now}}, {"holder": self._holder}]}
        with translated():
            try:
                await self._collection.update_one(free, {"$set": self._terms(now)}, upsert=True)
            except DuplicateKeyError:
                # Nothing matched, because another holder has it, and the insert met its document.
                return self._set_lost()
        return self._set_held(now)

    async def renew(self) -> bool:
        """Hold it for another `ttl`; False if another holder has taken it, or it was released."""
        now = self._clock()
        with translated():
            own = {"_id": self._name, "holder": self._holder}
            result = await self._collection.update_one(own, {"$set": self._terms(now)})
        return self._set_held(now) if result.matched_count else self._set_lost()

    async def release(self) -> None:
        """Release it, so that the next holder need not wait for `ttl`."""
        self._set_lost()
        with translated():
            await self._collection.delete_one({"_id": self._name, "holder": self._holder})

    def _terms(self, now: datetime) -> Document:
        return {"holder": self._holder, "until": now + self._ttl}

    def _set_held(self, now: datetime) -> bool:
        # `now` is from before the round trip: never later than the stored time.
        self._until = now + self._ttl
        return True

    def _set_lost(self) -> bool:
        self._until = _LONG_AGO
        return False
