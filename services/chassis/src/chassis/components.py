"""Components: what a process consists of. Each starts, works until it is stopped, and stops."""

import asyncio
from abc import ABC, abstractmethod
from typing import Protocol, runtime_checkable


class Component(Protocol):
    """Something that runs for as long as the process does.

    `start` returns once it runs. It may raise an error that waiting repairs (OSError, or one whose code is
    UNAVAILABLE): then it is called again. `stop` finishes the work in hand; it is also called on components that
    never started.
    """

    @property
    def name(self) -> str:
        """The component's name in the log."""

    async def start(self) -> None:
        """Begin."""

    async def stop(self) -> None:
        """Finish the work in hand and end."""


@runtime_checkable
class Watched(Protocol):
    """A component that can die: `wait` ends, by returning or raising, when it does."""

    async def wait(self) -> None:
        """Until it ends."""


class Background(ABC):
    """A component whose work is one coroutine.

    `run` ends soon after `stopping` is set, with the work in hand finished; before that it ends only by a fault.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._task: asyncio.Task[None] | None = None
        self.stopping = asyncio.Event()

    @property
    def name(self) -> str:
        """The component's name in the log."""
        return self._name

    @abstractmethod
    async def run(self) -> None:
        """Work until `stopping` is set."""

    async def start(self) -> None:
        """Begin to work."""
        self._task = asyncio.create_task(self.run(), name=self._name)

    async def wait(self) -> None:
        """Until it ends; raises the exception that ended it."""
        if self._task is not None:
            await asyncio.wait((self._task,))
            if not self._task.cancelled():
                self._task.result()

    async def stop(self) -> None:
        """Finish the work in hand and end. A caller that gives up cancels this, and the work with it."""
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
