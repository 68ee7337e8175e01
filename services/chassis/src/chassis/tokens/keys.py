"""Identity's public keys, as each service keeps them."""

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Self

from joserfc.jwk import ECKey, KeySet

from chassis import log
from chassis.caller import Caller
from chassis.errors import KeysUnavailable, TokenInvalid
from chassis.times import Clock, utc_now
from chassis.tokens.jwt import (
    Confirmation,
    key_id,
    key_ids,
    key_set,
    parse_jwks,
    verify_access,
    verify_confirmation,
)

Fetch = Callable[[], Awaitable[str]]
"""Asks identity for its keys (ListSigningKeys); a JWK set as JSON."""

REFETCH_AFTER: Final = timedelta(seconds=10)
"""Shortest time between two questions: forged key ids must not become as many calls to identity."""

REFRESH_AFTER: Final = timedelta(minutes=10)
"""When kept keys are asked for again, so that a withdrawn one goes away."""

FETCH_SECONDS: Final = 3.0

_log = log.get(__name__)


class TokenKeys:
    """Checks tokens for one audience with identity's published keys.

    The keys are kept in a file, so that a service starts and answers while identity is down. They are asked
    for again when a token names a key that is not kept, and from time to time.
    """

    def __init__(
        self,
        audience: str,
        *,
        keys: KeySet | None = None,
        path: Path | None = None,
        fetch: Fetch | None = None,
        clock: Clock = utc_now,
    ) -> None:
        """Make one.

        Args:
            audience: the service that checks.
            keys: known keys; identity gives its own and no `fetch`.
            path: file in which fetched keys are kept.
            fetch: how to ask identity.
            clock: UTC.
        """
        self.audience = audience
        self._keys = keys
        self._path = path
        self._fetch = fetch
        self._clock = clock
        self._asked: datetime | None = None
        self._fetched: datetime | None = None
        self._asking = asyncio.Lock()
        self._refreshing: asyncio.Task[None] | None = None
        if keys is None and path is not None:
            self._keys = _read(path)

    @classmethod
    def own(cls, audience: str, *keys: ECKey, clock: Clock = utc_now) -> Self:
        """For identity, which signs: it checks with what it signs with."""
        return cls(audience, keys=key_set(*keys), clock=clock)

    async def caller(self, token: str) -> Caller:
        """Who calls. TokenExpired, TokenInvalid, or KeysUnavailable."""
        keys = await self._for(token)
        return verify_access(token, keys, self.audience, self._clock())

    async def confirmation(self, token: str, *, purpose: str, digest: str, account: str) -> Confirmation:
        """The confirmation of exactly this. ConfirmationExpired, ConfirmationInvalid, or KeysUnavailable."""
        with contextlib.suppress(TokenInvalid):  # the check below says it in its own words
            await self._for(token)
        return verify_confirmation(
            token,
            self._keys or key_set(),
            audience=self.audience,
            purpose=purpose,
            digest=digest,
            account=account,
            now=self._clock(),
        )

    async def refresh(self) -> bool:
        """Ask identity now; False when it does not answer, and what is kept stays."""
        if self._fetch is None:
            return True
        self._asked = self._clock()
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                text = await self._fetch()
            fetched = parse_jwks(text)
        except Exception as error:  # noqa: BLE001 -- whatever is wrong with identity, we go on with what we keep
            _log.warning("signing keys not fetched", error=type(error).__qualname__)
            return False
        self._keys, self._fetched = fetched, self._clock()
        if self._path is not None:
            _write(self._path, text)
        return True

    async def _for(self, token: str) -> KeySet:
        wanted = key_id(token)
        if self._keys is None or wanted not in key_ids(self._keys):
            async with self._asking:
                # Whoever waited here finds what the one before fetched.
                if (self._keys is None or wanted not in key_ids(self._keys)) and self._may_ask():
                    await self.refresh()
        elif self._fetch is not None and self._is_old() and self._may_ask():
            self._asked = self._clock()
            self._refreshing = asyncio.create_task(self._refresh_aside())
        if self._keys is None:
            raise KeysUnavailable
        return self._keys

    async def _refresh_aside(self) -> None:
        await self.refresh()

    def _may_ask(self) -> bool:
        return self._asked is None or self._clock() - self._asked >= REFETCH_AFTER

    def _is_old(self) -> bool:
        return self._fetched is None or self._clock() - self._fetched >= REFRESH_AFTER


def _read(path: Path) -> KeySet | None:
    try:
        return parse_jwks(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        _log.warning("kept signing keys are unreadable", path=str(path), error=type(error).__qualname__)
        return None


def _write(path: Path, text: str) -> None:
    """Replace the file at once; a full disk costs the copy, not the call."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(f".{os.getpid()}.tmp")
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        _log.warning("signing keys not kept", path=str(path), error=type(error).__qualname__)
