"""Background programs: each runs in a session of its own, is found by a later run, and is stopped by its id."""

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from embedded import kernel
from embedded.orphaned_processes import MARK

LOG_BYTES_MAX = 20_000_000
STOP_LIMIT_SECONDS = 25
POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Program:
    """A program to run.

    Attributes:
        name: unique in the stack; also the name of its log.
        command: program and arguments.
        environment: variables in addition to PATH, HOME and LANG.
        port: name of the port on which it listens; it must be free before the start.
        ready: URL that answers 200 once the program is ready; empty when an open port is enough.
    """

    name: str
    command: tuple[str, ...]
    port: str
    environment: dict[str, str] = field(default_factory=dict)
    ready: str = ""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of command and environment: a program that was started with others is restarted."""
        content = json.dumps([self.command, self.environment], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()


@dataclass(frozen=True)
class Running:
    """A started program: its process id, its start in ticks since boot, and its fingerprint at the start.

    `start_time` is empty if the program ended before it was read.
    """

    pid: int
    start_time: str
    fingerprint: str

    @property
    def alive(self) -> bool:
        """Whether the process still runs; its start time is compared too, since process ids are reused."""
        return bool(self.start_time) and kernel.start_time(self.pid) == self.start_time

    def send(self, number: signal.Signals) -> None:
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def wait(self, limit_seconds: float) -> bool:
        """Wait until the process has ended; return False when it has not in time."""
        deadline = time.monotonic() + limit_seconds
        while self.alive:
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_SECONDS)
        return True

    def stop(self) -> None:
        """Send SIGTERM, and SIGKILL when the process does not end in time."""
        self.send(signal.SIGTERM)
        if not self.wait(STOP_LIMIT_SECONDS):
            self.send(signal.SIGKILL)
            self.wait(STOP_LIMIT_SECONDS)


def start(program: Program, log: Path, folder: Path) -> Running:
    """Start `program` in a session of its own, with the mark of `folder`; append its output to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > LOG_BYTES_MAX:
        log.replace(log.with_suffix(".log.1"))
    with log.open("ab") as output:
        process = subprocess.Popen(
            program.command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=folder,
            start_new_session=True,
            env=_base() | program.environment | {MARK: str(folder)},
        )
    return Running(process.pid, kernel.start_time(process.pid), program.fingerprint)


def _base() -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
        "HOME": os.environ.get("HOME", "/"),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
    }
