"""Processes of a stack that nobody remembers: who started them was killed before it could write them down."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from embedded import kernel

MARK = "DIWAN_STACK_FOLDER"
"""In the environment of everything that a stack starts, and so of everything that these start."""

STOP_LIMIT_SECONDS = 10
POLL_SECONDS = 0.05


def marked(folder: Path) -> list[int]:
    """Ids of all living processes that carry the folder's mark, this process not among them."""
    mark = f"{MARK}={folder}".encode()
    return [pid for pid in _ids() if pid != os.getpid() and mark in _environment(pid)]


def find(folder: Path, known: set[int]) -> list[int]:
    """The marked processes that neither are known nor descend from a known one."""
    return [pid for pid in marked(folder) if known.isdisjoint(_line_of(pid))]


def stop(pids: list[int]) -> None:
    """Ask them to end, and kill those that do not."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
        deadline = time.monotonic() + STOP_LIMIT_SECONDS
        while (pids := [pid for pid in pids if kernel.alive(pid)]) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)


def _ids() -> Iterator[int]:
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:  # it has ended, or is another user's
        return []


def _line_of(pid: int) -> set[int]:
    """The process, its parent, and so on up to the first of all."""
    line: set[int] = set()
    while pid > 1 and pid not in line:
        line.add(pid)
        pid = int((kernel.stat(pid) or ["", "0"])[1])
    return line
