"""How often an account may draft: each draft asks identity about an agent, and nobody may ask about everybody."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from notary.model.errors import TooManyDrafts

_HOUR = timedelta(hours=1)
# How long a request that comes again is known, and a little more.
_MEMORY = timedelta(hours=25)


@dataclass(frozen=True)
class Drafting:
    """When an account asked to draft; what was refused counts too."""

    account_id: str
    asked_at: tuple[datetime, ...]
    forget_time: datetime

    @classmethod
    def first(cls, account_id: str) -> "Drafting":
        return cls(account_id, (), datetime.max.replace(tzinfo=UTC))

    def ask(self, most: int, now: datetime) -> "Drafting":
        """Count one more; TooManyDrafts beyond `most` in an hour says in `retry_after_seconds` how long to wait."""
        recent = tuple(at for at in self.asked_at if now - at < _HOUR)
        if len(recent) >= most:
            wait = recent[0] + _HOUR - now
            raise TooManyDrafts(retry_after_seconds=str(max(1, -(-wait // timedelta(seconds=1)))))
        return Drafting(self.account_id, (*recent, now), now + _MEMORY)
