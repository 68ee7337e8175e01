"""Readiness of the process: checked once a second, published by gRPC health and by `/readyz`."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from chassis import log

Check = Callable[[], Awaitable[bool]]

PERIOD_SECONDS: Final = 1.0
CHECK_SECONDS: Final = 2.0

_log = log.get(__name__)


class Readiness:
    """The checks of a process and their last results.

    Attributes:
        states: last result of each check, by name.
    """

    def __init__(self) -> None:
        self._checks: dict[str, Check] = {}
        self.states: dict[str, bool] = {}
        self._closing = False
        self._checked = False

    def add(self, name: str, check: Check) -> None:
        """Add a check of a component, such as "store"; an exception, or more than 2 seconds, counts as False."""
        self._checks[name] = check
        self.states[name] = False

    @property
    def ready(self) -> bool:
        """Whether all checks succeeded the last time, and `close` was not called."""
        return self._checked and not self._closing and all(self.states.values())

    def close(self) -> None:
        """Stay not ready from now on: the process is about to stop."""
        self._closing = True

    async def check(self) -> bool:
        """Run all checks now; whether the process is ready."""
        names = list(self._checks)
        results = await asyncio.gather(*(_run_check(self._checks[name]) for name in names))
        for name, is_ready in zip(names, results, strict=True):
            if self.states.get(name) != is_ready:
                _log.info("readiness changed", component=name, ready=is_ready)
            self.states[name] = is_ready
        self._checked = True
        return self.ready

    async def run(self) -> None:
        """Run the checks every second, until cancelled."""
        while True:
            await self.check()
            await asyncio.sleep(PERIOD_SECONDS)


async def _run_check(check: Check) -> bool:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return await check()
    except Exception:  # noqa: BLE001 -- any exception means: not ready
        return False
