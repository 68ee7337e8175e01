"""Orphaned processes of a stack: their starter was killed before it recorded them."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from embedded import kernel

MARK = "DIWAN_STACK_FOLDER"
"""Variable in the environment of all processes that a stack starts, inherited by their children."""

STOP_LIMIT_SECONDS = 10
POLL_SECONDS = 0.05


def marked(folder: Path) -> list[int]:
    """Return the ids of all running processes with the folder's mark, except this process."""
    mark = f"{MARK}={folder}".encode()
    return [pid for pid in _ids() if pid != os.getpid() and mark in kernel.environment(pid)]


def find(folder: Path, known: set[int]) -> list[int]:
    """Return the marked processes that are neither known nor descend from a known one."""
    return [pid for pid in marked(folder) if known.isdisjoint(_ancestors(pid))]


def stop(pids: list[int]) -> None:
    """Send SIGTERM to the processes, and SIGKILL to those that do not end in time."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
        deadline = time.monotonic() + STOP_LIMIT_SECONDS
        while (pids := [pid for pid in pids if kernel.alive(pid)]) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)


def _ids() -> Iterator[int]:
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _ancestors(pid: int) -> set[int]:
    """Return the process, its parent, and so on, without process 1."""
    ancestors: set[int] = set()
    while pid > 1 and pid not in ancestors:
        ancestors.add(pid)
        pid = int((kernel.stat(pid) or ["", "0"])[1])
    return ancestors
