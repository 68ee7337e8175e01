"""What the relay knows of the outboxes: one queue for each aggregate, its events in their order."""

import heapq
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from chassis.store.envelope import Key, OutboxEntry, Unsent

_DONE_MAX = 8192


@dataclass(eq=False)
class AggregateQueue:
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
        queued: it stands among the queues that may publish.
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


class OutboxQueues:
    """All queues, and which of them have something to publish."""

    def __init__(self) -> None:
        self._queues: dict[Key, AggregateQueue] = {}
        self._ready: deque[AggregateQueue] = deque()
        # What was just taken out may still come up in an older reading of the outbox.
        self._done: OrderedDict[str, None] = OrderedDict()

    def __len__(self) -> int:
        """How many aggregates have something on its way."""
        return len(self._queues)

    def follows(self, unsent: Unsent) -> bool:
        """Whether these events come right after what is known, so that none is between that we do not know of."""
        queue = self._queues.get((unsent.collection, unsent.id))
        if queue is None:
            return unsent.waiting == 0
        return unsent.entries[0].sequence == queue.last + 1

    def adopt(self, unsent: Unsent) -> None:
        """Take in what is new of an aggregate's events."""
        key = (unsent.collection, unsent.id)
        fresh = [entry for entry in unsent.entries if entry.id not in self._done]
        queue = self._queues.get(key) or AggregateQueue(key)
        for entry in fresh:
            if entry.id not in queue.known:
                queue.known[entry.id] = entry
                queue.put_back(entry)
                queue.last = max(queue.last, entry.sequence)
        if queue.known:
            self._queues[key] = queue
            self.wake(queue)

    def wake(self, queue: AggregateQueue) -> None:
        """List an aggregate that has something to publish."""
        if queue.pending and not queue.blocked and not queue.queued:
            queue.queued = True
            self._ready.append(queue)

    def ready(self) -> Iterator[AggregateQueue]:
        """Aggregates that may publish; stop taking when there is no more room."""
        while self._ready:
            queue = self._ready.popleft()
            queue.queued = False
            if queue.pending and not queue.blocked:
                yield queue

    def done(self, queue: AggregateQueue, entries: Iterable[OutboxEntry]) -> None:
        """Forget what the store has taken out."""
        for entry in entries:
            queue.known.pop(entry.id, None)
            self._done[entry.id] = None
        while len(self._done) > _DONE_MAX:
            self._done.popitem(last=False)
        if not queue.known:
            self._queues.pop(queue.key, None)

    def oldest(self) -> datetime | None:
        """When the oldest event happened that is still on its way."""
        firsts = (next(iter(queue.known.values())).time for queue in self._queues.values() if queue.known)
        return min(firsts, default=None)
