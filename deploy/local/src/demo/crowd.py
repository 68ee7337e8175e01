"""Journeys without pause, several at a time, each with people of its own."""

import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from demo.actors import Officer
from demo.calls import Platform
from demo.journey import Journey
from demo.participants import Participants
from demo.world import World

TOKEN_SECONDS = 300  # the administrator's lives for fifteen minutes, and a journey for a few at the worst


@dataclass(frozen=True)
class Broken:
    """A journey that did not come to its end."""

    number: int
    case: str
    why: str


@dataclass(frozen=True)
class Failure:
    """A call that failed in spite of the service config's retries."""

    at: str
    rpc: str
    code: str
    said: str


@dataclass
class Crowd:
    """Keeps `at_once` journeys under way from `start` until `stop`.

    Attributes:
        world: where the platform is reached.
        output: folder for the signed documents.
        administrator: the country's first, from a journey that opened it.
        first: number of the first journey; two crowds in one country must not share any.
        finished: journeys that did all that they should.
        broken: those that did not.
        failures: calls that failed in spite of the service config's retries, in their order.
    """

    world: World
    output: Path
    administrator: Officer
    at_once: int = 8
    first: int = 1
    finished: list[Journey] = field(default_factory=list)
    broken: list[Broken] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._threads: list[threading.Thread] = []
        self._next = self.first
        self._signed_in = 0.0
        self.seconds: list[float] = []

    def start(self) -> None:
        """Set the journeys going."""
        self.output.mkdir(parents=True, exist_ok=True)
        for _ in range(self.at_once):
            self._threads.append(threading.Thread(target=self._travel, daemon=True))
            self._threads[-1].start()

    def stop(self) -> None:
        """Let no further journey begin, and wait for the end of those under way."""
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def count(self) -> int:
        """How many journeys have ended well so far."""
        with self._lock:
            return len(self.finished)

    def _travel(self) -> None:
        while not self._ending.is_set():
            with self._lock:
                number, self._next = self._next, self._next + 1
            journey: Any = None
            try:
                self._sign_in()
                participants = Participants(number, self.administrator)
                journey = Journey(self.world, self.output, participants=participants, on_failure=self._failed)
                began = time.monotonic()
                for _ in journey.steps():
                    pass
            except Exception as error:  # noqa: BLE001  whatever it is, the journey is broken and the next begins
                case = journey.case.number if journey and journey.case else ""
                with self._lock:
                    self.broken.append(Broken(number, case, f"{type(error).__name__}: {error}"))
                self._ending.wait(1)
            else:
                with self._lock:
                    self.finished.append(journey)
                    self.seconds.append(time.monotonic() - began)
            finally:
                if journey:
                    journey.platform.close()

    def _failed(self, rpc: str, code: str, said: str) -> None:
        with self._lock:
            self.failures.append(Failure(f"{datetime.now(UTC):%H:%M:%S.%f}", rpc, code, said))

    def _sign_in(self) -> None:
        """Give the administrator a fresh session in time."""
        with self._lock:
            if time.monotonic() - self._signed_in < TOKEN_SECONDS:
                return
            platform = Platform(self.world.targets)
            try:
                self.administrator.sign_in(platform)
            finally:
                platform.close()
            self._signed_in = time.monotonic()
