"""Rate limit of drafts. Each draft looks up an agent at identity, so the limit prevents a search of all persons."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from notary.model.errors import TooManyDrafts

_HOUR = timedelta(hours=1)
# Longer than the 24 hours in which a repeated request is recognised.
_MEMORY = timedelta(hours=25)


@dataclass(frozen=True)
class Drafting:
    """Times of an account's requests to draft, refused ones included."""

    account_id: str
    asked_at: tuple[datetime, ...]
    forget_time: datetime

    @classmethod
    def first(cls, account_id: str) -> "Drafting":
        return cls(account_id, (), datetime.max.replace(tzinfo=UTC))

    def ask(self, most: int, now: datetime) -> "Drafting":
        """Count a request; TooManyDrafts with `retry_after_seconds` after `most` requests in an hour."""
        recent = tuple(at for at in self.asked_at if now - at < _HOUR)
        if len(recent) >= most:
            wait = recent[0] + _HOUR - now
            raise TooManyDrafts(retry_after_seconds=str(max(1, -(-wait // timedelta(seconds=1)))))
        return Drafting(self.account_id, (*recent, now), now + _MEMORY)
