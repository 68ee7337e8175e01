"""Information on processes from /proc."""

import contextlib
import os
import time
from pathlib import Path

EXEC_LIMIT_SECONDS = 1.0
POLL_SECONDS = 0.001
_KERNEL_THREAD = 0x00200000
"""PF_KTHREAD of the flags in /proc/<pid>/stat."""


def stat(pid: int) -> list[str]:
    """Return the fields of /proc/<pid>/stat from the state on; empty when there is no such process."""
    try:
        # The name before the state may contain blanks and parentheses.
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return []


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    return bool(start_time(pid))


def start_time(pid: int) -> str:
    """Return the start of the process in ticks since boot; empty when it does not run.

    Process ids are reused: an id and a start time together identify a process.
    """
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # reap the process if it is an ended child of ours
    fields = stat(pid)
    return "" if not fields or fields[0] == "Z" else fields[19]


def environment(pid: int) -> list[bytes]:
    """Return the variables at the start of the process's program, each `NAME=value`.

    Empty when the process has ended, is a kernel thread, or belongs to another user.
    """
    return [variable for variable in _content(pid, "environ").split(b"\0") if variable]


def command_line(pid: int) -> bytes:
    """Return the arguments of the process, each ended by a zero byte; empty in the cases of `environment`."""
    return _content(pid, "cmdline")


def _content(pid: int, name: str) -> bytes:
    """Return the content of a file of the process.

    `environ` and `cmdline` are empty while the process is inside execve: up to 30 ms on a busy machine, although its
    parent continues already. A reader would overlook the process, so the read waits for the end of execve, at most
    a second.
    """
    deadline = time.monotonic() + EXEC_LIMIT_SECONDS
    try:
        while not (content := Path(f"/proc/{pid}/{name}").read_bytes()):
            if not _in_exec(pid) or time.monotonic() > deadline:
                break
            time.sleep(POLL_SECONDS)
    except OSError:
        return b""
    return content


def _in_exec(pid: int) -> bool:
    """Whether a process that is no kernel thread has no arguments yet."""
    fields = stat(pid)
    if not fields or fields[0] in "ZX" or int(fields[6]) & _KERNEL_THREAD:
        return False
    return not Path(f"/proc/{pid}/cmdline").read_bytes()
