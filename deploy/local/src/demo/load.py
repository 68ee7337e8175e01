"""A load of journeys: several run at a time without pause, each with its own people."""

import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from demo.actors import Officer
from demo.calls import Platform
from demo.environment import Environment
from demo.journey import Journey
from demo.participants import Participants

SIGN_IN_SECONDS = 300  # the administrator's token lasts 15 minutes, and a journey a few minutes at most


@dataclass(frozen=True)
class FailedJourney:
    """A journey that stopped before its last step."""

    number: int
    case: str
    error: str


@dataclass(frozen=True)
class FailedCall:
    """A call that failed in spite of the retries of the service config. Times are UTC."""

    at: str
    rpc: str
    code: str
    text: str


@dataclass
class JourneyLoad:
    """Keeps `concurrency` journeys running from `start` until `stop`.

    Attributes:
        environment: addresses of the platform.
        output: folder for the signed documents.
        administrator: the first administrator, from the first journey on the platform.
        concurrency: journeys that run at a time.
        first_number: number of the first journey; two loads on one platform must not share a number.
        completed: journeys that passed every step.
        failed: journeys that did not.
        failed_calls: calls that failed in spite of the retries of the service config, oldest first.
        durations: of the completed journeys, seconds.
    """

    environment: Environment
    output: Path
    administrator: Officer
    concurrency: int = 8
    first_number: int = 1
    completed: list[Journey] = field(default_factory=list)
    failed: list[FailedJourney] = field(default_factory=list)
    failed_calls: list[FailedCall] = field(default_factory=list)
    durations: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._next = self.first_number
        self._signed_in_at = 0.0

    def start(self) -> None:
        """Start the journeys."""
        self.output.mkdir(parents=True, exist_ok=True)
        for _ in range(self.concurrency):
            self._threads.append(threading.Thread(target=self._run_journeys, daemon=True))
            self._threads[-1].start()

    def stop(self) -> None:
        """Start no further journey, and wait until the running ones have ended."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def count(self) -> int:
        """Return the number of journeys completed so far."""
        with self._lock:
            return len(self.completed)

    def _run_journeys(self) -> None:
        while not self._stopping.is_set():
            with self._lock:
                number, self._next = self._next, self._next + 1
            journey: Any = None
            try:
                self._sign_in()
                participants = Participants(number, self.administrator)
                journey = Journey(
                    self.environment,
                    self.output,
                    participants=participants,
                    on_failure=self._record_failed_call,
                )
                started = time.monotonic()
                for _ in journey.steps():
                    pass
            except Exception as error:  # noqa: BLE001  any error fails the journey, and the next one starts
                case = journey.case.number if journey and journey.case else ""
                with self._lock:
                    self.failed.append(FailedJourney(number, case, f"{type(error).__name__}: {error}"))
                self._stopping.wait(1)
            else:
                with self._lock:
                    self.completed.append(journey)
                    self.durations.append(time.monotonic() - started)
            finally:
                if journey:
                    journey.platform.close()

    def _record_failed_call(self, rpc: str, code: str, text: str) -> None:
        with self._lock:
            self.failed_calls.append(FailedCall(f"{datetime.now(UTC):%H:%M:%S.%f}", rpc, code, text))

    def _sign_in(self) -> None:
        """Sign the administrator in again before the session's token expires."""
        with self._lock:
            if time.monotonic() - self._signed_in_at < SIGN_IN_SECONDS:
                return
            platform = Platform(self.environment.targets)
            try:
                self.administrator.sign_in(platform)
            finally:
                platform.close()
            self._signed_in_at = time.monotonic()
