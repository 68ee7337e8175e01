"""What this process did with the deliveries it had.

A lost connection brings a delivery again while we live, and a relay may publish one twice: its outcome is known then,
and no code is submitted a second time.
"""

from collections import OrderedDict

from eventlet.event import Event as Signal

KEPT_MAX = 20_000


class Memory:
    """Deliveries by message and try. One that is not in here was had by another process, or never begun."""

    def __init__(self) -> None:
        self._begun: OrderedDict[tuple[str, int], Signal] = OrderedDict()

    def begin(self, message_id: str, attempt: int) -> None:
        """Remember that work on it begins."""
        self._begun[message_id, attempt] = Signal()
        while len(self._begun) > KEPT_MAX:
            self._begun.popitem(last=False)

    def had(self, message_id: str, attempt: int) -> Signal | None:
        """The signal of a delivery that this process began with: sends whether its outcome was published."""
        return self._begun.get((message_id, attempt))

    def settled(self, message_id: str, attempt: int) -> None:
        """Its outcome has been published and confirmed."""
        known = self._begun.get((message_id, attempt))
        if known is not None and not known.ready():
            known.send(True)

    def forget(self, message_id: str, attempt: int) -> None:
        """It came to nothing, and may be begun with again."""
        known = self._begun.pop((message_id, attempt), None)
        if known is not None and not known.ready():
            known.send(False)
