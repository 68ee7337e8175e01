"""Work that one process of a service does at a time: it starts with the lease and ends with it."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from datetime import timedelta
from typing import Any

from chassis import log
from chassis.components import within
from chassis.store import Lease, StoreError

TTL = timedelta(seconds=6)
"""How long after a kill -9 another process takes over, at most; clocks must not differ by as much."""

_RENEW_SECONDS = TTL.total_seconds() / 3
_log = log.get(__name__)


async def run_with_lease(
    lease: Lease, name: str, work: Callable[[], Coroutine[Any, Any, None]], stopping: asyncio.Event
) -> None:
    """Run `work` whenever the lease is held, until `work` returns by itself, as it must once `stopping` is set.

    When the lease is lost `work` is cancelled, and started again once the lease is back. What it raises is
    logged, and it is started again after a pause: a fault of the work must not end it for good.
    """
    while not stopping.is_set():
        if not await _quietly(lease.acquire):
            await within(stopping, _RENEW_SECONDS * random.uniform(0.5, 1.0))  # noqa: S311 -- no secret
            continue
        _log.info("lease taken", lease=name)
        task = asyncio.create_task(work(), name=name)
        try:
            await _keep(lease, task)
        finally:
            await _end(task)
            await _quietly(lease.release)
            _log.info("lease given back", lease=name)
        if not task.cancelled() and task.exception() is None:
            return
        if not task.cancelled():
            _log.error("leased work failed", lease=name, exc_info=task.exception())
        await within(stopping, 1.0)


async def _keep(lease: Lease, task: "asyncio.Task[None]") -> None:
    """Renew until the work ends, or the lease is lost."""
    while True:
        await asyncio.wait((task,), timeout=_RENEW_SECONDS)
        if task.done():
            return
        # A store that does not answer does not take the lease away: it runs out by itself.
        if not await _quietly(lease.renew) and not lease.held:
            return


async def _end(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with suppress(asyncio.CancelledError, Exception):
        await asyncio.wait((task,))


async def _quietly(ask: Callable[[], Awaitable[object]]) -> bool:
    """Ask the store about the lease; False when it does not answer."""
    try:
        return bool(await ask())
    except StoreError as error:
        _log.warning("lease unknown", error_type=type(error).__name__)
        return False
