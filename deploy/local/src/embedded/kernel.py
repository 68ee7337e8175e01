"""Processes, as the kernel tells of them."""

import contextlib
import os
from pathlib import Path


def stat(pid: int) -> list[str]:
    """State, parent and the rest of the kernel's line; empty when there is no such process."""
    try:
        # The name before may hold anything, blanks and brackets too.
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return []


def alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and waits for its parent does not."""
    return bool(born(pid))


def born(pid: int) -> str:
    """When the process began, in ticks since boot; empty when it does not run. Process ids are used again."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # our own child must not stay as a zombie
    told = stat(pid)
    return "" if not told or told[0] == "Z" else told[19]
