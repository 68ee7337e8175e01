"""Following the store's change stream for as long as somebody wants to be woken by it."""

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
    """Tell of other processes' commits until cancelled; None when some may have been missed.

    It is opened anew when it breaks, less and less often, and once more everything is looked through then: no
    place in it is kept that the server could have forgotten. A server without change streams is asked now and
    then too: it may become a replica set. One warning for each time that it stays away.
    """
    clock = asyncio.get_running_loop().time
    backoff, warned = Backoff(BACKOFF_FIRST_SECONDS, BACKOFF_LAST_SECONDS), False
    while True:
        steady, fault = math.inf, "ended"
        try:
            async with aclosing(changes.commits()) as commits:
                async for key in commits:
                    if key is None:
                        steady = clock() + STEADY_SECONDS
                        _log.info("change stream is open")
                    notify(key)
        except StoreError as error:
            fault = type(error).__name__
        if clock() > steady:
            backoff.reset()
            warned = False
        if not warned:
            _log.warning("no change stream: others' commits are found by looking only", error_type=fault)
            warned = True
        await asyncio.sleep(backoff.next())
