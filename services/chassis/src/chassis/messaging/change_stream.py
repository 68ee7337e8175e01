"""Watching of the store's change stream, with reconnection."""

import asyncio
import math
from collections.abc import Callable
from contextlib import aclosing

from chassis import log
from chassis.backoff import Backoff
from chassis.store import ChangeStream, Key, StoreError

BACKOFF_FIRST_SECONDS = 0.5
BACKOFF_LAST_SECONDS = 30.0
STEADY_SECONDS = 10.0
_log = log.get(__name__)


async def watch(changes: ChangeStream, notify: Callable[[Key | None], None]) -> None:
    """Call `notify` for commits of other processes until cancelled.

    A broken stream is opened again, after growing pauses, without a resume token, which the server may have dropped;
    `notify(None)` covers the gap. A server without change streams is retried too: it may become a replica set. One
    warning is logged for each outage.

    Args:
        changes: the database's change stream.
        notify: called with the key of each changed aggregate, and with None whenever changes may have been missed.
    """
    clock = asyncio.get_running_loop().time
    backoff, warned = Backoff(BACKOFF_FIRST_SECONDS, BACKOFF_LAST_SECONDS), False
    while True:
        steady_at, fault = math.inf, "ended"
        try:
            async with aclosing(changes.commits()) as commits:
                async for key in commits:
                    if key is None:
                        steady_at = clock() + STEADY_SECONDS
                        _log.info("change stream is open")
                    notify(key)
        except StoreError as error:
            fault = type(error).__name__
        if clock() > steady_at:
            backoff.reset()
            warned = False
        if not warned:
            _log.warning(
                "no change stream: other processes' commits are found by scans only", error_type=fault
            )
            warned = True
        await asyncio.sleep(backoff.next())
