"""Whether the process can do its work: asked once a second, shown by gRPC health and by `/readyz`."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from chassis import log

Check = Callable[[], Awaitable[bool]]

PERIOD_SECONDS: Final = 1.0
CHECK_SECONDS: Final = 2.0

_log = log.get(__name__)


class Readiness:
    """Knows what must answer before the process is ready, and whether it does."""

    def __init__(self) -> None:
        self._checks: dict[str, Check] = {}
        self.states: dict[str, bool] = {}
        self._closing = False
        self._asked = False

    def add(self, name: str, check: Check) -> None:
        """What must answer, such as "store"; a check that raises or takes over 2 seconds says no."""
        self._checks[name] = check
        self.states[name] = False

    @property
    def ready(self) -> bool:
        """Ready when all that must answer did, and nobody asked us to stop."""
        return self._asked and not self._closing and all(self.states.values())

    def close(self) -> None:
        """Never ready again: the process is about to stop."""
        self._closing = True

    async def check(self) -> bool:
        """Ask all of them now."""
        names = list(self._checks)
        answers = await asyncio.gather(*(_ask(self._checks[name]) for name in names))
        for name, answer in zip(names, answers, strict=True):
            if self.states.get(name) != answer:
                _log.info("readiness changed", component=name, ready=answer)
            self.states[name] = answer
        self._asked = True
        return self.ready

    async def run(self) -> None:
        """Ask again and again, until cancelled."""
        while True:
            await self.check()
            await asyncio.sleep(PERIOD_SECONDS)


async def _ask(check: Check) -> bool:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return await check()
    except Exception:  # noqa: BLE001 -- whatever it raises, it is not ready
        return False
