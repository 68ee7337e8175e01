"""Components of a process that work by themselves until they are asked to stop."""

import asyncio
from abc import ABC, abstractmethod


class Background(ABC):
    """A component of a process (see `chassis.life.Component`) whose work is one coroutine.

    `run` ends soon after `stopping` is set, with what it has in hand finished; before that it ends only by a fault.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._task: asyncio.Task[None] | None = None
        self.stopping = asyncio.Event()

    @property
    def name(self) -> str:
        """What the log calls it."""
        return self._name

    @abstractmethod
    async def run(self) -> None:
        """Work until asked to stop."""

    async def start(self) -> None:
        """Begin to work."""
        self._task = asyncio.create_task(self.run(), name=self._name)

    async def wait(self) -> None:
        """Until it ends; raises what it died of."""
        if self._task is not None:
            await asyncio.wait((self._task,))
            if not self._task.cancelled():
                self._task.result()

    async def stop(self) -> None:
        """Finish what is in hand and end. Whoever has no more patience cancels this, and the work with it."""
        self.stopping.set()
        if self._task is None:
            return
        try:
            await asyncio.wait((self._task,))
        finally:
            self._task.cancel()


async def within(event: asyncio.Event, seconds: float) -> bool:
    """Wait for the event, but not longer than that; whether it is set."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
    return event.is_set()
