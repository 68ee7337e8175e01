"""Revoked access tokens: every service keeps identity's revocations, and its API refuses the tokens.

Identity publishes `AccessRevoked`. The service's process with the role `policies` records it in the service's store;
each process with the role `api` reads the new records once a second and keeps them in memory. Memory is used only
while it is complete and fresh; otherwise each call asks the store, so that a revoked token is refused in any case.
"""

import asyncio
import math
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from diwan.identity.v1 import events_pb2

from chassis import log, telemetry
from chassis.caller import Caller, Kind
from chassis.commands import EventCause
from chassis.components import Background, within
from chassis.messaging.policies import Policy, on
from chassis.store import Revocation, RevocationLog, StoreError
from chassis.times import to_datetime

QUEUE: Final = "{service}.identity.access"
"""Queue of a service for identity's revocations; the platform table gives one to every service but identity."""

READ_SECONDS: Final = 1.0
"""Period at which an API process reads new revocations."""

FRESH_SECONDS: Final = 5.0
"""Age of the last read from which memory is not trusted any more."""

LIMIT: Final = 100_000
"""Revocations in the memory of one process. If more are in force, each call asks the store."""

_OVERLAP: Final = timedelta(seconds=10)
"""Each read repeats the last seconds of the one before: records may become visible in another order."""

_RELOAD_SECONDS: Final = 60.0
_log = log.get(__name__)


def policy(service: str, revocations: RevocationLog) -> Policy:
    """The policy by which a service records identity's revocations."""
    queue = QUEUE.format(service=service)
    return on(queue, events_pb2.AccessRevoked, partial(_record, revocations), name="record_revocation")


async def _record(
    revocations: RevocationLog,
    event: EventCause[events_pb2.AccessRevoked],
    message: events_pb2.AccessRevoked,
) -> None:
    expires = to_datetime(message.expire_time)
    if expires <= event.now:
        return
    if message.session_id:
        # A session that has ended issues no further tokens, so the time of issue does not matter.
        await revocations.put(Revocation(id=message.session_id, before=expires, expires=expires))
    if message.subject_id:
        before = to_datetime(message.revoke_time)
        await revocations.put(Revocation(id=message.subject_id, before=before, expires=expires))


class Revocations(Background):
    """The revocations in force, in the memory of one API process. A component; `is_revoked` works without it too."""

    def __init__(self, revocations: RevocationLog, *, limit: int = LIMIT) -> None:
        """Prepare; nothing is read before the start. Memory holds at most `limit` revocations."""
        super().__init__("revocations")
        self._log = revocations
        self._limit = limit
        self._known: dict[str, Revocation] = {}
        self._complete = False
        self._latest: datetime | None = None
        self._read_at = self._reload_at = -math.inf
        metrics = telemetry.current()
        self._gauge = metrics.gauge(
            "diwan_revocations_known", "Revocations in memory; NaN while the store is asked instead."
        )
        self._refused = metrics.counter("diwan_revoked_tokens_refused", "Calls with a revoked token.")
        self._gauge.set(math.nan)

    async def is_revoked(self, caller: Caller) -> bool:
        """Whether the caller's token was revoked.

        Tokens of services are not: they belong to no session.

        Raises:
            StoreUnavailable: memory is not usable, and the store does not respond.
        """
        if caller.kind is Kind.SERVICE or caller.issued_at is None:
            return False
        ids = {caller.session, caller.id} - {""}
        if self._usable:
            found = [self._known[each] for each in ids if each in self._known]
        else:
            found = await self._log.find(ids)
        revoked = any(caller.issued_at <= each.before for each in found)
        if revoked:
            self._refused.inc()
        return revoked

    @property
    def _usable(self) -> bool:
        age = asyncio.get_running_loop().time() - self._read_at
        return self._complete and age <= FRESH_SECONDS

    async def run(self) -> None:
        """Read new revocations every second, until asked to stop."""
        while not self.stopping.is_set():
            try:
                await self.read()
            except StoreError as error:
                _log.warning("revocations not read", error_type=type(error).__name__)
            self._gauge.set(len(self._known) if self._usable else math.nan)
            await within(self.stopping, READ_SECONDS)

    async def read(self) -> None:
        """Read what was recorded since the last read; once a minute all that is in force, so that expired ones go."""
        started = asyncio.get_running_loop().time()
        whole = started >= self._reload_at
        if not (whole or self._complete):
            return
        since = None if whole or self._latest is None else self._latest - _OVERLAP
        new = await self._log.recorded_since(since, self._limit + 1)
        if whole:
            self._known, self._reload_at = {}, started + _RELOAD_SECONDS
        self._known.update((each.id, each) for each in new)
        self._complete = len(self._known) <= self._limit
        if self._complete:
            self._read_at = started
            self._latest = max((each.recorded for each in new if each.recorded), default=self._latest)
            return
        self._known = {}
        if not whole:
            self._reload_at = started  # without the expired ones they may fit
        _log.warning("more revocations than memory holds; each call asks the store", limit=self._limit)
