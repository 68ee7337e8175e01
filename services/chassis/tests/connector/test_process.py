"""The end of a connector's process. Its parts fail or hang on purpose; it needs no broker."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from testkit.connectors import eventually
from testkit.keys import make_keys
from testkit.processes import check_status

pytestmark = pytest.mark.process

START_SECONDS = 60
PROGRAM = """
from chassis import greenlets
greenlets.patch()

import eventlet
from chassis import log, telemetry
from chassis.connector import ConnectorSettings, run
from nameko.extensions import DependencyProvider
from opentelemetry.sdk.trace import SpanProcessor
from pydantic_settings import SettingsConfigDict

class Settings(ConnectorSettings):
    model_config = SettingsConfigDict(env_prefix="IDLE_")

def say(what):
    log.get("idle").info(what)

class Part(DependencyProvider):
    def start(self):
        pass
    def stop(self):
        pass

class Flush(SpanProcessor):
    def shutdown(self):
        pass

{body}

real = telemetry.start
telemetry.start = lambda *given: real(*given).provider.add_span_processor(Flush())

class Idle:
    name = "sms"
    part = Part()

run(Idle, Settings)
"""
HANGS_IN_START = """
def start(self):
    say("start begins")
    eventlet.sleep(0.5)
    say("start ends")
Part.start = start
"""
FAILS_IN_START = """
def start(self):
    raise ValueError("wrong")
Part.start = start
"""
FAILS_LATER = """
def start(self):
    def work():
        eventlet.sleep(0.1)
        raise RuntimeError("lost")
    self.container.spawn_managed_thread(work)
Part.start = start
"""
FAILS_IN_STOP = """
def stop(self):
    raise RuntimeError("cannot stop")
Part.stop = stop
"""
HANGS_IN_STOP = """
def stop(self):
    say("stop begins")
    eventlet.sleep(600)
Part.stop = stop
"""
COLLECTOR_HANGS = """
telemetry.Telemetry.shutdown.__defaults__ = (0.1,)
Flush.shutdown = lambda self: eventlet.sleep(600)
"""
FLUSH_FAILS = """
def fail(self, limit=0):
    raise eventlet.Timeout(1)
telemetry.Telemetry.shutdown = fail
"""


class Idle:
    """The program as a process that writes to a log file."""

    def __init__(self, folder: Path, body: str, **environment: str) -> None:
        self._log = folder / "log"
        given = {"IDLE_BROKER_URI": "amqp://127.0.0.1:1", "IDLE_KEYS_DIR": str(folder / "keys" / "sms")}
        with self._log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM.replace("{body}", body)],
                env={"PATH": os.environ["PATH"]} | given | environment,
                stdout=out,
                stderr=out,
            )

    @property
    def log(self) -> str:
        """The text that it has written."""
        return self._log.read_text()

    def until(self, words: str) -> None:
        """Wait for these words in the log."""
        eventually(lambda: words in self.log or self.process.poll() is not None, START_SECONDS)
        assert words in self.log, self.log

    def ends(self, status: int, *words: str) -> None:
        """Wait for the end; check status and log."""
        eventually(lambda: self.process.poll() is not None, START_SECONDS)
        check_status(self.process.returncode, status, self.log)
        for each in words:
            assert each in self.log, self.log


Start = Callable[..., Idle]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts the program with these faults; it is killed after the test."""
    make_keys(tmp_path / "keys", ["sms"])
    started: list[Idle] = []

    def begin(body: str = "", **environment: str) -> Idle:
        started.append(Idle(tmp_path, body, **environment))
        return started[-1]

    yield begin
    for each in started:
        each.process.kill()
        each.process.wait()


@pytest.mark.parametrize(
    "fault", ["", COLLECTOR_HANGS, FLUSH_FAILS], ids=["no fault", "collector hangs", "flush fails"]
)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_status_of_an_orderly_stop_is_0(start: Start, number: signal.Signals, fault: str) -> None:
    """Telemetry that cannot be flushed does not change it."""
    idle = start(fault)
    idle.until("connector started")

    idle.process.send_signal(number)

    idle.ends(0, "connector stops")


def test_sigterm_during_the_start_stops_it_afterwards(start: Start) -> None:
    """A stop of parts that have not started would fail; the stop waits for them."""
    idle = start(HANGS_IN_START)
    idle.until("start begins")

    idle.process.send_signal(signal.SIGTERM)

    idle.ends(0, "start ends", "connector stops")


def test_failure_of_the_stop_ends_the_process(start: Start) -> None:
    """The status is 1 and the log says why; it does not stay half stopped until SIGKILL."""
    idle = start(FAILS_IN_STOP)
    idle.until("connector started")

    idle.process.send_signal(signal.SIGTERM)

    idle.ends(1, "connector did not stop", "RuntimeError")


def test_stop_that_misses_the_drain_limit_ends_with_status_1(start: Start) -> None:
    """The log names the limit."""
    idle = start(HANGS_IN_STOP, IDLE_DRAIN_SECONDS="0.2")
    idle.until("connector started")

    idle.process.send_signal(signal.SIGTERM)

    idle.ends(1, "drain is over", '"seconds": 0.2')


def test_second_signal_ends_the_process_at_once(start: Start) -> None:
    """The status is 130, as that of a service."""
    idle = start(HANGS_IN_STOP, IDLE_DRAIN_SECONDS="300")
    idle.until("connector started")
    idle.process.send_signal(signal.SIGTERM)
    idle.until("stop begins")

    idle.process.send_signal(signal.SIGTERM)

    idle.ends(130)


@pytest.mark.parametrize("fault", [FAILS_IN_START, FAILS_LATER], ids=["start", "later"])
def test_failure_of_a_part_ends_the_process(start: Start, fault: str) -> None:
    """The status is 1 and the log says why."""
    start(fault).ends(1, "connector failed")
