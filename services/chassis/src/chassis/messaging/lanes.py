"""What the relay knows of the outboxes: one lane for each aggregate, its events in their order."""

import heapq
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from chassis.store.envelope import Key, OutboxEntry, Unsent

_DONE_MAX = 8192


@dataclass(eq=False)
class Lane:
    """One aggregate's events on their way.

    Attributes:
        key: collection and id of the aggregate.
        pending: not yet published, in order.
        known: everything the store still has and we know of, by event id.
        last: the highest sequence known.
        failures: refusals in a row; while there are any, one event goes at a time.
        refused: id of the first event that was refused.
        blocked: nothing is published, since the refused event waits, or is being tried again.
        waiting: until a timer unblocks it.
        queued: it stands among the lanes that may publish.
    """

    key: Key
    pending: deque[OutboxEntry] = field(default_factory=deque)
    known: dict[str, OutboxEntry] = field(default_factory=dict)
    last: int = 0
    failures: int = 0
    refused: str = ""
    blocked: bool = False
    waiting: bool = False
    queued: bool = False

    def put_back(self, entry: OutboxEntry) -> None:
        """Let an event wait again, in its place."""
        self.pending = deque(heapq.merge(self.pending, (entry,), key=lambda each: each.sequence))

    def abandon(self, entry: OutboxEntry) -> None:
        """Let an event wait again of which nobody knows what became; if it was a trial, that is over."""
        self.put_back(entry)
        self.blocked = self.waiting

    def trial(self) -> None:
        """The refused event is tried again: the later ones wait for what becomes of it."""
        self.blocked = True

    def took(self, entry: OutboxEntry) -> bool:
        """The broker took an event; True if that ends a row of refusals."""
        if not self.failures or entry.id != self.refused:
            return False
        self.failures, self.refused, self.blocked = 0, "", False
        return True

    def refuse(self, entry: OutboxEntry) -> bool:
        """The broker refused an event: it and the later ones wait. True if this begins the waiting."""
        self.put_back(entry)
        self.refused = self.pending[0].id
        if self.waiting:
            return False
        self.failures += 1
        self.blocked = self.waiting = True
        return True

    def unblock(self) -> None:
        """The waiting is over."""
        self.blocked = self.waiting = False


class Lanes:
    """All lanes, and which of them have something to publish."""

    def __init__(self) -> None:
        self._lanes: dict[Key, Lane] = {}
        self._ready: deque[Lane] = deque()
        # What was just taken out may still come up in an older reading of the outbox.
        self._done: OrderedDict[str, None] = OrderedDict()

    def __len__(self) -> int:
        """How many aggregates have something on its way."""
        return len(self._lanes)

    def follows(self, unsent: Unsent) -> bool:
        """Whether these events come right after what is known, so that none is between that we do not know of."""
        lane = self._lanes.get((unsent.collection, unsent.id))
        if lane is None:
            return unsent.waiting == 0
        return unsent.entries[0].sequence == lane.last + 1

    def adopt(self, unsent: Unsent) -> None:
        """Take in what is new of an aggregate's events."""
        key = (unsent.collection, unsent.id)
        fresh = [entry for entry in unsent.entries if entry.id not in self._done]
        lane = self._lanes.get(key) or Lane(key)
        for entry in fresh:
            if entry.id not in lane.known:
                lane.known[entry.id] = entry
                lane.put_back(entry)
                lane.last = max(lane.last, entry.sequence)
        if lane.known:
            self._lanes[key] = lane
            self.wake(lane)

    def wake(self, lane: Lane) -> None:
        """Queue a lane that has something to publish."""
        if lane.pending and not lane.blocked and not lane.queued:
            lane.queued = True
            self._ready.append(lane)

    def ready(self) -> Iterator[Lane]:
        """Lanes that may publish; stop taking when there is no more room."""
        while self._ready:
            lane = self._ready.popleft()
            lane.queued = False
            if lane.pending and not lane.blocked:
                yield lane

    def done(self, lane: Lane, entries: Iterable[OutboxEntry]) -> None:
        """Forget what the store has taken out."""
        for entry in entries:
            lane.known.pop(entry.id, None)
            self._done[entry.id] = None
        while len(self._done) > _DONE_MAX:
            self._done.popitem(last=False)
        if not lane.known:
            self._lanes.pop(lane.key, None)

    def oldest(self) -> datetime | None:
        """When the oldest event happened that is still on its way."""
        firsts = (next(iter(lane.known.values())).time for lane in self._lanes.values() if lane.known)
        return min(firsts, default=None)
