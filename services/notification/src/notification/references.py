"""The concatenation references of one recipient's long texts.

A phone joins parts by originator and reference alone, so two texts under way to one phone must not have the same
reference. References are therefore allocated in sequence, not derived from an id, and one is used again only after
all texts of the former round have ended.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from notification.model import NotificationError
from notification.sms_text import REFERENCES

REUSE_AFTER = timedelta(days=30)
"""Longest time that a text is under way: the longest validity period that the connector requests from an operator."""
BLOCK = 1_024
"""References whose time of use is recorded together."""
BLOCKS = REFERENCES // BLOCK
RECENT_MAX = 64
"""Latest allocations kept with their message, so that a repeated cause gets the same reference."""


class ReferencesExhausted(NotificationError):
    """65,536 long texts were sent to one recipient within 30 days."""

    reason = "REFERENCES_EXHAUSTED"
    code = "RESOURCE_EXHAUSTED"


@dataclass(frozen=True)
class Allocation:
    """The reference of one message."""

    message_id: str
    reference: int


@dataclass(frozen=True)
class References:
    """The references of one recipient.

    Attributes:
        allocated: number of references allocated so far, over all rounds.
        blocks: time of the latest allocation in each block, oldest block first, at most `BLOCKS`.
        recent: latest allocations, oldest first.
    """

    allocated: int = 0
    blocks: tuple[datetime, ...] = ()
    recent: tuple[Allocation, ...] = ()

    def of(self, message_id: str) -> int | None:
        """The reference of a message if it is among the latest allocations."""
        return next((one.reference for one in self.recent if one.message_id == message_id), None)

    def allocate(self, message_id: str, now: datetime) -> "References":
        """Allocate the next reference; a message that has one keeps it. ReferencesExhausted."""
        if self.of(message_id) is not None:
            return self
        allocation = Allocation(message_id, self.allocated % REFERENCES)
        return replace(
            self,
            allocated=self.allocated + 1,
            blocks=self._blocks(now),
            recent=(*self.recent, allocation)[-RECENT_MAX:],
        )

    def _blocks(self, now: datetime) -> tuple[datetime, ...]:
        """The times with this allocation, which may begin a block that was used in the former round."""
        if self.allocated % BLOCK:
            return (*self.blocks[:-1], now)
        if len(self.blocks) == BLOCKS and self.blocks[0] > now - REUSE_AFTER:
            raise ReferencesExhausted
        return (*self.blocks, now)[-BLOCKS:]
