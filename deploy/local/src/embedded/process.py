"""Programs in the background: started apart, found again by a later run, stopped for sure."""

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
    """What to run.

    Attributes:
        name: unique in the stack; its log has it too.
        command: program and arguments.
        environment: variables beside PATH, HOME and LANG.
        port: where it listens; it must be free before the start.
        ready: URL that answers 200 once it is ready; empty when an open port is enough.
    """

    name: str
    command: tuple[str, ...]
    port: str
    environment: dict[str, str] = field(default_factory=dict)
    ready: str = ""

    @property
    def fingerprint(self) -> str:
        """Changes with command and environment: a program started with others is started again."""
        said = json.dumps([self.command, self.environment], sort_keys=True)
        return hashlib.sha256(said.encode()).hexdigest()


@dataclass(frozen=True)
class Running:
    """A started program: its process id, when the kernel started it, and what it was started with.

    `born` is empty if the program ended before that was read.
    """

    pid: int
    born: str
    fingerprint: str

    @property
    def alive(self) -> bool:
        """Whether it is still the process that we started: process ids are used again."""
        return bool(self.born) and kernel.born(self.pid) == self.born

    def send(self, number: signal.Signals) -> None:
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def wait(self, limit_seconds: float) -> bool:
        """Wait until it has ended; False when it has not in time."""
        deadline = time.monotonic() + limit_seconds
        while self.alive:
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_SECONDS)
        return True

    def stop(self) -> None:
        """Ask it to end, and kill it when it does not."""
        self.send(signal.SIGTERM)
        if not self.wait(STOP_LIMIT_SECONDS):
            self.send(signal.SIGKILL)
            self.wait(STOP_LIMIT_SECONDS)


def start(program: Program, log: Path, folder: Path) -> Running:
    """Start `program` in a session of its own, its output appended to `log`; it carries the mark of `folder`."""
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
    return Running(process.pid, kernel.born(process.pid), program.fingerprint)


def _base() -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
        "HOME": os.environ.get("HOME", "/"),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
    }
