"""Components: the parts of a process. Each starts, works until it is stopped, and stops."""

import asyncio
from abc import ABC, abstractmethod
from typing import Protocol, runtime_checkable


class Component(Protocol):
    """A part of a process, with the lifetime of the process.

    `start` returns once the component runs. It may raise a transient error (OSError, or one whose code is
    UNAVAILABLE): then it is called again. `stop` finishes the current work; it is also called on components that
    never started.
    """

    @property
    def name(self) -> str:
        """The component's name in the log."""

    async def start(self) -> None:
        """Start the work."""

    async def stop(self) -> None:
        """Finish the current work and end."""


@runtime_checkable
class Watched(Protocol):
    """A component that may end before it is stopped; `wait` then returns or raises."""

    async def wait(self) -> None:
        """Wait until the component ends."""


class Background(ABC):
    """A component whose work is one coroutine.

    `run` finishes its current work and ends soon after `stopping` is set; before that it ends only by a fault.
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
        """Start the coroutine as a task."""
        self._task = asyncio.create_task(self.run(), name=self._name)

    async def wait(self) -> None:
        """Wait until the coroutine ends; raises the exception that ended it."""
        if self._task is not None:
            await asyncio.wait((self._task,))
            if not self._task.cancelled():
                self._task.result()

    async def stop(self) -> None:
        """Finish the current work and end. Cancelling this call also cancels the work."""
        self.stopping.set()
        if self._task is None:
            return
        try:
            await asyncio.wait((self._task,))
        finally:
            self._task.cancel()


async def within(event: asyncio.Event, seconds: float) -> bool:
    """Wait for the event, at most `seconds`; return whether it is set."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
    return event.is_set()
