"""The relay's copy of the outboxes: one queue for each aggregate, its events in order."""

import heapq
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from chassis.store.envelope import Key, OutboxEntry, Unsent

_REMOVED_MAX = 8192


@dataclass(eq=False)
class AggregateQueue:
    """Events of one aggregate between outbox and broker.

    Attributes:
        key: collection and id of the aggregate.
        pending: events to publish, in order.
        known: events that are read and not yet removed from the outbox, by event id.
        last: the highest sequence of a known event.
        failures: consecutive refusals; while there are any, one event is published at a time.
        refused: id of the first event that was refused.
        blocked: no event is published: the refused one waits for its retry, or for the broker's answer to it.
        paused: the refused event waits for its retry.
        queued: it is listed among the queues that may publish.
    """

    key: Key
    pending: deque[OutboxEntry] = field(default_factory=deque)
    known: dict[str, OutboxEntry] = field(default_factory=dict)
    last: int = 0
    failures: int = 0
    refused: str = ""
    blocked: bool = False
    paused: bool = False
    queued: bool = False

    def insert(self, entry: OutboxEntry) -> None:
        """Add a pending event, in order of sequence."""
        self.pending = deque(heapq.merge(self.pending, (entry,), key=lambda each: each.sequence))

    def abandon(self, entry: OutboxEntry) -> None:
        """Make an event pending again whose outcome is unknown; this also ends its retry."""
        self.insert(entry)
        self.blocked = self.paused

    def begin_retry(self) -> None:
        """Block the later events until the broker has answered for the refused one."""
        self.blocked = True

    def confirm(self, entry: OutboxEntry) -> bool:
        """Record that the broker confirmed an event; True if this ends a series of refusals."""
        if not self.failures or entry.id != self.refused:
            return False
        self.failures, self.refused, self.blocked = 0, "", False
        return True

    def refuse(self, entry: OutboxEntry) -> bool:
        """Record that the broker refused an event: it and the later ones wait. True if this begins the pause."""
        self.insert(entry)
        self.refused = self.pending[0].id
        if self.paused:
            return False
        self.failures += 1
        self.blocked = self.paused = True
        return True

    def resume(self) -> None:
        """End the pause."""
        self.blocked = self.paused = False


class OutboxQueues:
    """The queues of all aggregates, and a list of those with something to publish."""

    def __init__(self) -> None:
        self._queues: dict[Key, AggregateQueue] = {}
        self._ready: deque[AggregateQueue] = deque()
        # A read of the outbox that began before a removal may still return the removed entry.
        self._removed: OrderedDict[str, None] = OrderedDict()

    def __len__(self) -> int:
        """Number of aggregates with events that are not confirmed or not yet removed."""
        return len(self._queues)

    def follows(self, unsent: Unsent) -> bool:
        """Whether these events follow the known ones directly, with no unknown event between."""
        queue = self._queues.get((unsent.collection, unsent.id))
        if queue is None:
            return unsent.waiting == 0
        return unsent.entries[0].sequence == queue.last + 1

    def add(self, unsent: Unsent) -> None:
        """Add those events of an aggregate that are not known yet."""
        key = (unsent.collection, unsent.id)
        not_removed = [entry for entry in unsent.entries if entry.id not in self._removed]
        queue = self._queues.get(key) or AggregateQueue(key)
        for entry in not_removed:
            if entry.id not in queue.known:
                queue.known[entry.id] = entry
                queue.insert(entry)
                queue.last = max(queue.last, entry.sequence)
        if queue.known:
            self._queues[key] = queue
            self.list_ready(queue)

    def list_ready(self, queue: AggregateQueue) -> None:
        """List a queue for `ready`, if it has something to publish and is not blocked."""
        if queue.pending and not queue.blocked and not queue.queued:
            queue.queued = True
            self._ready.append(queue)

    def ready(self) -> Iterator[AggregateQueue]:
        """Queues that may publish. Each is removed from the list; list it again if events remain."""
        while self._ready:
            queue = self._ready.popleft()
            queue.queued = False
            if queue.pending and not queue.blocked:
                yield queue

    def remove(self, queue: AggregateQueue, entries: Iterable[OutboxEntry]) -> None:
        """Drop events that are removed from the outbox."""
        for entry in entries:
            queue.known.pop(entry.id, None)
            self._removed[entry.id] = None
        while len(self._removed) > _REMOVED_MAX:
            self._removed.popitem(last=False)
        if not queue.known:
            self._queues.pop(queue.key, None)

    def oldest(self) -> datetime | None:
        """Time of the oldest known event, or None."""
        firsts = (next(iter(queue.known.values())).time for queue in self._queues.values() if queue.known)
        return min(firsts, default=None)
