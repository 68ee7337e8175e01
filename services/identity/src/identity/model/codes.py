"""One-time codes: how long they live, how often one may be wrong and how often one may ask."""

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

CODE_LIFE = timedelta(minutes=5)
WRONG_TRIES = 5
_CODES = 1_000_000
# How long a start, and what was answered to it, is remembered.
MEMORY = timedelta(hours=25)


def new_code(below: Callable[[int], int]) -> str:
    """Six digits; `below(n)` draws evenly from 0 to n-1, and is `secrets.randbelow` where it matters."""
    return f"{below(_CODES):06d}"


@dataclass(frozen=True)
class Challenge:
    """A code that was asked for.

    Attributes:
        code_hash: keyed hash of the code and of what it is for.
        expire_time: from then on it is worth nothing.
        real: whether the code was sent; a decoy's never was, and nothing opens it.
        wrong_tries: counted for good, decoys too.
        spent: it was used.
    """

    code_hash: str
    expire_time: datetime
    real: bool
    wrong_tries: int = 0
    spent: bool = False

    def attempt(self, code_hash: str, now: datetime) -> tuple["Challenge", IdentityError | None]:
        """Try a code: the challenge afterwards, and the refusal to keep on record with it, if it is one.

        The hashes are compared in every case, and decoys too, so that the time taken tells nothing.
        """
        right = hmac.compare_digest(self.code_hash, code_hash) and self.real
        if self.wrong_tries >= WRONG_TRIES:
            return self, CodeLocked()
        if self.spent or now >= self.expire_time:
            return self, CodeExpired()
        if not right:
            tried = replace(self, wrong_tries=self.wrong_tries + 1)
            return tried, CodeWrong(tries_left=str(WRONG_TRIES - tried.wrong_tries))
        return replace(self, spent=True), None


def challenge(code_hash: str, *, real: bool, now: datetime) -> Challenge:
    """A new challenge, as strict to a decoy as to one whose code was sent."""
    return Challenge(code_hash=code_hash, expire_time=now + CODE_LIFE, real=real)


@dataclass(frozen=True)
class Allowance:
    """How often a code may be asked for: `most` in an hour, and not twice within `apart`."""

    most: int
    apart: timedelta


_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Throttle:
    """When codes were asked for, for one subject (a national ID, a mobile, an account); the key is a hash."""

    key: str
    starts: tuple[datetime, ...]
    forget_time: datetime

    @classmethod
    def first(cls, key: str) -> "Throttle":
        return cls(key=key, starts=(), forget_time=datetime.max.replace(tzinfo=UTC))

    def start(self, allowance: Allowance, now: datetime) -> "Throttle":
        """Count one more; CodeTooSoon and TooManyStarts say in `retry_after_seconds` how long to wait."""
        recent = tuple(at for at in self.starts if now - at < _HOUR)
        if recent and now - recent[-1] < allowance.apart:
            raise CodeTooSoon(retry_after_seconds=_seconds(recent[-1] + allowance.apart - now))
        if len(recent) >= allowance.most:
            raise TooManyStarts(retry_after_seconds=_seconds(recent[0] + _HOUR - now))
        return Throttle(key=self.key, starts=(*recent, now), forget_time=now + MEMORY)


def _seconds(wait: timedelta) -> str:
    return str(max(1, -(-wait // timedelta(seconds=1))))
