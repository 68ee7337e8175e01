"""What this process did with the deliveries it had.

A lost connection brings a delivery again while we live, and a relay may publish one twice: its outcome is known then,
and no code is submitted a second time.
"""

from collections import OrderedDict

from eventlet.event import Event as Signal

KEPT_MAX = 20_000

Key = tuple[str, str, int]


class Memory:
    """Deliveries by message, run and try. One that is not in here was had by another process, or never begun."""

    def __init__(self) -> None:
        self._begun: OrderedDict[Key, Signal] = OrderedDict()

    def begin(self, key: Key) -> None:
        """Remember that work on it begins."""
        self._begun[key] = Signal()
        while len(self._begun) > KEPT_MAX:
            self._begun.popitem(last=False)

    def had(self, key: Key) -> Signal | None:
        """The signal of a delivery that this process began with: sends whether its outcome was published."""
        return self._begun.get(key)

    def settled(self, key: Key) -> None:
        """Its outcome has been published and confirmed."""
        known = self._begun.get(key)
        if known is not None and not known.ready():
            known.send(True)

    def forget(self, key: Key) -> None:
        """It came to nothing, and may be begun with again."""
        known = self._begun.pop(key, None)
        if known is not None and not known.ready():
            known.send(False)
