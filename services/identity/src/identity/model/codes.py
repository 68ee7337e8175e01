"""One-time codes: lifetime, limit of wrong attempts, rate limit of new codes."""

import hmac
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from identity.model.errors import (
    CodeExpired,
    CodeLocked,
    CodeTooSoon,
    CodeWrong,
    IdentityError,
    TooManyStarts,
)

CODE_LIFETIME = timedelta(minutes=5)
MAX_WRONG_TRIES = 5
_CODES = 1_000_000
# Retention of a start and its kept answer; longer than the 24 hours of a request id.
RETENTION = timedelta(hours=25)


def new_code(below: Callable[[int], int]) -> str:
    """Six random digits; `below(n)` returns a uniform random number from 0 to n-1 (`secrets.randbelow`)."""
    return f"{below(_CODES):06d}"


@dataclass(frozen=True)
class Challenge:
    """An issued code.

    Attributes:
        code_hash: keyed hash of the code and its purpose.
        expire_time: end of its validity.
        real: whether the code was sent; False in a decoy, which no code completes.
        wrong_tries: number of wrong codes, also for a decoy; never reset.
        spent: the right code was used.
    """

    code_hash: str
    expire_time: datetime
    real: bool
    wrong_tries: int = 0
    spent: bool = False

    def attempt(self, code_hash: str, now: datetime) -> tuple["Challenge", IdentityError | None]:
        """Check a code; returns the changed challenge, and the refusal to commit with it, or None.

        The hashes are compared in every case, also for decoys, so that the response time reveals nothing.
        """
        is_right = hmac.compare_digest(self.code_hash, code_hash) and self.real
        if self.wrong_tries >= MAX_WRONG_TRIES:
            return self, CodeLocked()
        if self.spent or now >= self.expire_time:
            return self, CodeExpired()
        if not is_right:
            tried = replace(self, wrong_tries=self.wrong_tries + 1)
            return tried, CodeWrong(tries_left=str(MAX_WRONG_TRIES - tried.wrong_tries))
        return replace(self, spent=True), None


def challenge(code_hash: str, *, real: bool, now: datetime) -> Challenge:
    """A new challenge, with the same lifetime for a decoy (`real=False`)."""
    return Challenge(code_hash=code_hash, expire_time=now + CODE_LIFETIME, real=real)


@dataclass(frozen=True)
class RateLimit:
    """Limit of new codes: `per_hour` of them, with at least `min_interval` between two."""

    per_hour: int
    min_interval: timedelta


_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Throttle:
    """Times of code requests of one subject (a national ID, a mobile, an account); the key is a hash."""

    key: str
    starts: tuple[datetime, ...]
    forget_time: datetime

    @classmethod
    def new(cls, key: str) -> "Throttle":
        return cls(key=key, starts=(), forget_time=datetime.max.replace(tzinfo=UTC))

    def start(self, limit: RateLimit, now: datetime) -> "Throttle":
        """Add a request; CodeTooSoon or TooManyStarts, each with `retry_after_seconds`."""
        recent = tuple(at for at in self.starts if now - at < _HOUR)
        if recent and now - recent[-1] < limit.min_interval:
            raise CodeTooSoon(retry_after_seconds=_seconds(recent[-1] + limit.min_interval - now))
        if len(recent) >= limit.per_hour:
            raise TooManyStarts(retry_after_seconds=_seconds(recent[0] + _HOUR - now))
        return Throttle(key=self.key, starts=(*recent, now), forget_time=now + RETENTION)


def _seconds(wait: timedelta) -> str:
    return str(max(1, -(-wait // timedelta(seconds=1))))
