"""One-time codes: lifetime, limit of wrong attempts, rate limit of new codes."""

import hmac
from collections.abc import Callable, Sequence
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
KNOWN_SOURCES = 4
"""All known devices of an account together may request as many times the codes of one per hour."""
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
    """Limit of new codes for one subject.

    Attributes:
        per_hour: codes per hour that one source may request.
        min_interval: time between two codes that one source requests.
        unknown_per_hour: codes per hour that all unknown sources together may request.
        unknown_per_day: the same for 24 hours.
    """

    per_hour: int
    min_interval: timedelta
    unknown_per_hour: int
    unknown_per_day: int


_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True)
class Source:
    """The network or the device from which a code is requested.

    Attributes:
        key: keyed hash of the network address, or of the device.
        known: a device that has signed in to this account before, or the account itself.
    """

    key: str
    known: bool


@dataclass(frozen=True)
class Start:
    """A counted request for a code."""

    time: datetime
    source: Source


@dataclass(frozen=True)
class Throttle:
    """Code requests of one subject (a national ID, a mobile, an account) in the last day; the key is a hash.

    A stranger who requests codes for a subject uses up the limit of their own source. All strangers together use up
    the limit of unknown sources, which bounds the unwanted messages; a known device is not affected. One unknown source
    gets at most half of that limit: otherwise a single stranger could use it up within a day, and lock out the owner.
    Known devices share a limit too: each sign-in makes another one, so the owner could request any number of messages.
    """

    key: str
    starts: tuple[Start, ...]
    forget_time: datetime

    @classmethod
    def new(cls, key: str) -> "Throttle":
        return cls(key=key, starts=(), forget_time=datetime.max.replace(tzinfo=UTC))

    def start(self, source: Source, limit: RateLimit, now: datetime) -> "Throttle":
        """Add a request; CodeTooSoon or TooManyStarts, each with `retry_after_seconds`."""
        kept = tuple(start for start in self.starts if now - start.time < self._retention(start))
        own = [start.time for start in kept if start.source == source]
        if own and now - own[-1] < limit.min_interval:
            raise CodeTooSoon(retry_after_seconds=_seconds(own[-1] + limit.min_interval - now))
        _check_count(own, limit.per_hour, _HOUR, now)
        if source.known:
            known = [start.time for start in kept if start.source.known]
            _check_count(known, KNOWN_SOURCES * limit.per_hour, _HOUR, now)
        else:
            _check_count(own, _share(limit.unknown_per_hour), _HOUR, now)
            _check_count(own, _share(limit.unknown_per_day), _DAY, now)
            unknown = [start.time for start in kept if not start.source.known]
            _check_count(unknown, limit.unknown_per_hour, _HOUR, now)
            _check_count(unknown, limit.unknown_per_day, _DAY, now)
        return Throttle(key=self.key, starts=(*kept, Start(now, source)), forget_time=now + RETENTION)

    @staticmethod
    def _retention(start: Start) -> timedelta:
        return _HOUR if start.source.known else _DAY


def _share(count: int) -> int:
    """The part of the limit of all unknown sources that one of them may use."""
    return max(1, count // 2)


def _check_count(times: Sequence[datetime], count: int, period: timedelta, now: datetime) -> None:
    recent = [time for time in times if now - time < period]
    if len(recent) >= count:
        raise TooManyStarts(retry_after_seconds=_seconds(recent[-count] + period - now))


def _seconds(wait: timedelta) -> str:
    return str(max(1, -(-wait // timedelta(seconds=1))))
