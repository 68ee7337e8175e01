"""Work of a single process of a service at a time, which runs only while the process holds a lease."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from datetime import timedelta
from typing import Any

from chassis import log
from chassis.backoff import Backoff
from chassis.components import within
from chassis.settings import WrongSetting
from chassis.store import Lease, StoreError

TTL = timedelta(seconds=6)
"""Maximum time after a kill -9 until another process takes over; clocks must differ by less."""

RESTART_FIRST_SECONDS = 1.0
RESTART_LAST_SECONDS = 30.0
_RENEW_SECONDS = TTL.total_seconds() / 3
_log = log.get(__name__)


async def run_with_lease(
    lease: Lease, name: str, work: Callable[[], Coroutine[Any, Any, None]], stopping: asyncio.Event
) -> None:
    """Run `work` whenever the lease is held, until `work` returns; it must return once `stopping` is set.

    When the lease is lost, `work` is cancelled; it is started again when the lease is acquired again. An exception of
    `work` is logged, and `work` is started again after a growing pause, because a fault must not end it permanently;
    only WrongSetting ends the process.
    """
    backoff = Backoff(RESTART_FIRST_SECONDS, RESTART_LAST_SECONDS)
    while not stopping.is_set():
        if not await _quietly(lease.acquire):
            await within(stopping, _RENEW_SECONDS * random.uniform(0.5, 1.0))  # noqa: S311 -- no secret
            continue
        _log.info("lease taken", lease=name)
        backoff.opened()
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
            if wrong := _wrong_setting(task.exception()):
                raise wrong  # it ends the process
            _log.error("leased work failed", lease=name, exc_info=task.exception())
        await within(stopping, backoff.next())


def _wrong_setting(error: BaseException | None) -> WrongSetting | None:
    """The WrongSetting that ended the work, also within the group of a TaskGroup."""
    while isinstance(error, BaseExceptionGroup):
        group = error.subgroup(WrongSetting)
        error = group.exceptions[0] if group else None
    return error if isinstance(error, WrongSetting) else None


async def _keep(lease: Lease, task: "asyncio.Task[None]") -> None:
    """Renew the lease until the work ends or the lease is lost."""
    while True:
        await asyncio.wait((task,), timeout=_RENEW_SECONDS)
        if task.done():
            return
        # The lease is still held while the store is unavailable, until its TTL has passed.
        if not await _quietly(lease.renew) and not lease.held:
            return


async def _end(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with suppress(asyncio.CancelledError, Exception):
        await asyncio.wait((task,))


async def _quietly(operation: Callable[[], Awaitable[object]]) -> bool:
    """The result of an operation on the lease; False, with a warning in the log, when the store fails."""
    try:
        return bool(await operation())
    except StoreError as error:
        _log.warning("lease unknown", error_type=type(error).__name__)
        return False
