"""Deliveries that this process has begun or finished.

The broker delivers a message again after a lost connection, and a relay may publish one twice. A repeated delivery
is then answered by the outcome of the first: no one-time code is submitted a second time.
"""

from collections import OrderedDict

from eventlet.event import Event as Signal

KEPT_MAX = 20_000

Key = tuple[str, str, int]


class RecentDeliveries:
    """Deliveries by message id, run and attempt.

    A key that is missing was never begun here, was forgotten, or was handled by another process.
    """

    def __init__(self) -> None:
        self._signals: OrderedDict[Key, Signal] = OrderedDict()

    def begin(self, key: Key) -> None:
        """Record that work on the delivery begins."""
        self._signals[key] = Signal()
        while len(self._signals) > KEPT_MAX:
            self._signals.popitem(last=False)

    def find(self, key: Key) -> Signal | None:
        """The signal of a delivery that was begun here, else None; it sends whether the outcome was published."""
        return self._signals.get(key)

    def complete(self, key: Key) -> None:
        """Record that the outcome was published and confirmed."""
        signal = self._signals.get(key)
        if signal is not None and not signal.ready():
            signal.send(True)

    def forget(self, key: Key) -> None:
        """Record that the attempt had no outcome; the delivery may be begun again."""
        signal = self._signals.pop(key, None)
        if signal is not None and not signal.ready():
            signal.send(False)
