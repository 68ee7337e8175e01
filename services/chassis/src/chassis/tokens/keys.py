"""Identity's public keys, cached by each service."""

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Self

from joserfc.jwk import ECKey, KeySet

from chassis import log
from chassis.caller import Caller
from chassis.errors import ConfirmationRevoked, KeysUnavailable, TokenExpired, TokenInvalid, TokenRevoked
from chassis.times import Clock, utc_now
from chassis.tokens.jwt import (
    Confirmation,
    confirming_caller,
    key_id,
    key_ids,
    key_set,
    parse_jwks,
    verify_access,
    verify_confirmation,
)

Fetch = Callable[[], Awaitable[str]]
"""Fetches identity's keys (ListSigningKeys): a JWK set as JSON."""

IsRevoked = Callable[[Caller], Awaitable[bool]]
"""Whether the token of a caller was revoked, by its session, its holder and the time of its issue."""

Verify = Callable[[str], Awaitable[bool]]
"""Asks identity whether an access token is in force (VerifyAccessToken)."""

REFETCH_AFTER: Final = timedelta(seconds=10)
"""Shortest time between two fetches: forged key ids must not cause as many calls to identity."""

REFRESH_AFTER: Final = timedelta(minutes=10)
"""Age at which cached keys are fetched again, so that a withdrawn key is dropped."""

FETCH_SECONDS: Final = 3.0

_log = log.get(__name__)


@dataclass(frozen=True)
class SignedConfirmation:
    """A received confirmation, with the keys and the time (UTC) for its verification. `verify` is pure."""

    token: str
    keys: KeySet
    audience: str
    now: datetime
    revoked: bool = False

    def verify(self, *, purpose: str, digest: str, account: str) -> Confirmation:
        """The verified confirmation.

        Raises:
            ConfirmationExpired, ConfirmationMismatch, ConfirmationRevoked, ConfirmationInvalid.
        """
        confirmation = verify_confirmation(
            self.token,
            self.keys,
            audience=self.audience,
            purpose=purpose,
            digest=digest,
            account=account,
            now=self.now,
        )
        if self.revoked:
            raise ConfirmationRevoked
        return confirmation


class TokenKeys:
    """Verifies tokens for one audience with identity's published keys, and refuses revoked ones.

    The keys are cached in a file, so that a service starts and serves while identity is down. They are fetched again
    when a token names an unknown key, and when they are older than `REFRESH_AFTER`.
    """

    def __init__(
        self,
        audience: str,
        *,
        keys: KeySet | None = None,
        path: Path | None = None,
        fetch: Fetch | None = None,
        is_revoked: IsRevoked | None = None,
        verify: Verify | None = None,
        clock: Clock = utc_now,
    ) -> None:
        """Initialise it, with the keys of the file if `keys` is not given.

        Args:
            audience: the service that verifies.
            keys: initial keys; identity passes its own and no `fetch`.
            path: file that caches fetched keys.
            fetch: fetches the keys from identity.
            is_revoked: whether a caller's token was revoked; None if no token is.
            verify: asks identity about a token, for RPCs with the option `verified_by_identity`. None if `is_revoked`
                is always up to date, as in identity itself.
            clock: UTC.
        """
        self.audience = audience
        self._keys = keys
        self._path = path
        self._fetch = fetch
        self._is_revoked = is_revoked
        self._verify = verify
        self._clock = clock
        self._tried_at: datetime | None = None
        self._fetched_at: datetime | None = None
        self._fetch_lock = asyncio.Lock()
        self._refreshing: asyncio.Task[None] | None = None
        if keys is None and path is not None:
            self._keys = _read_cache(path)

    @classmethod
    def own(
        cls,
        audience: str,
        *keys: ECKey,
        is_revoked: IsRevoked | None = None,
        clock: Clock = utc_now,
    ) -> Self:
        """For identity itself, which verifies with its own signing keys and its own sessions."""
        return cls(audience, keys=key_set(*keys), is_revoked=is_revoked, clock=clock)

    async def caller(self, token: str) -> Caller:
        """The caller named by an access token; TokenExpired, TokenInvalid, TokenRevoked, or KeysUnavailable."""
        keys = await self._keys_for(token)
        caller = verify_access(token, keys, self.audience, self._clock())
        await self.refuse_revoked(caller)
        return caller

    async def refuse_revoked(self, caller: Caller) -> None:
        """Raise TokenRevoked if the caller's token was revoked; for a call that has taken long since `caller`."""
        if self._is_revoked is not None and await self._is_revoked(caller):
            raise TokenRevoked

    async def verify_at_identity(self, token: str) -> None:
        """Ask identity about a token that `caller` has accepted.

        Raises:
            TokenRevoked: identity does not accept it any more.
            grpc.RpcError: identity does not answer.
        """
        if self._verify is not None and not await self._verify(token):
            raise TokenRevoked

    async def confirmation(self, token: str) -> SignedConfirmation:
        """A confirmation with the keys to verify it, fetched if its key is unknown; KeysUnavailable."""
        revoked = False
        with contextlib.suppress(
            TokenInvalid, TokenExpired
        ):  # `verify` raises the confirmation's error for it
            keys = await self._keys_for(token)
            citizen = confirming_caller(token, keys, audience=self.audience, now=self._clock())
            revoked = self._is_revoked is not None and await self._is_revoked(citizen)
        return SignedConfirmation(token, self._keys or key_set(), self.audience, self._clock(), revoked)

    async def refresh(self) -> bool:
        """Fetch the keys now; False when that fails, and the cached keys stay."""
        if self._fetch is None:
            return True
        self._tried_at = self._clock()
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                text = await self._fetch()
            fetched = parse_jwks(text)
        except Exception as error:  # noqa: BLE001 -- the cached keys serve during any fault of identity
            _log.warning("signing keys not fetched", error=type(error).__qualname__)
            return False
        self._keys, self._fetched_at = fetched, self._clock()
        if self._path is not None:
            _write_cache(self._path, text)
        return True

    async def _keys_for(self, token: str) -> KeySet:
        kid = key_id(token)
        if self._keys is None or kid not in key_ids(self._keys):
            async with self._fetch_lock:
                # A caller that waited for the lock finds the keys of the fetch before.
                if (self._keys is None or kid not in key_ids(self._keys)) and self._may_fetch():
                    await self.refresh()
        elif self._fetch is not None and self._is_stale() and self._may_fetch():
            self._tried_at = self._clock()
            self._refreshing = asyncio.create_task(self._refresh_in_background())
        if self._keys is None:
            raise KeysUnavailable
        return self._keys

    async def _refresh_in_background(self) -> None:
        await self.refresh()

    def _may_fetch(self) -> bool:
        return self._tried_at is None or self._clock() - self._tried_at >= REFETCH_AFTER

    def _is_stale(self) -> bool:
        return self._fetched_at is None or self._clock() - self._fetched_at >= REFRESH_AFTER


def _read_cache(path: Path) -> KeySet | None:
    try:
        return parse_jwks(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        _log.warning("cached signing keys are unreadable", path=str(path), error=type(error).__qualname__)
        return None


def _write_cache(path: Path, text: str) -> None:
    """Replace the file atomically; an error, such as a full disk, is logged and does not fail the call."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        _log.warning("signing keys not cached", path=str(path), error=type(error).__qualname__)
