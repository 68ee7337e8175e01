"""A test run: its folder, which all its processes share, and servers that it starts once.

The leading process is pytest itself. The workers of xdist, and all programs that they start, have the folder in their
environment; by this variable the keeper finds them when the run has ended.
"""

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from testkit import keeper

VARIABLE = "DIWAN_TEST_RUN"
_MEMORY = Path("/dev/shm")  # noqa: S108 -- the folder created there is private
_MEMORY_BYTES_MIN = 4 << 30


class Lead:
    """The run as the leading process owns it: `close`, or the end of the process, ends all its processes."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="diwan-test-", dir=_memory()))
        self._former = os.environ.get(VARIABLE)
        # In a session of its own, so that Ctrl-C does not end it before the tests.
        self._keeper = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-I", keeper.__file__, str(self.folder)],
            stdin=subprocess.PIPE,
            env={},
            start_new_session=True,
        )
        os.environ[VARIABLE] = str(self.folder)

    def close(self) -> None:
        """End the run's processes and wait until its folder is gone."""
        self._keeper.communicate()
        if self._former is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = self._former


def folder() -> Path:
    """The run's folder, in memory if it has enough space; RuntimeError outside of a test run."""
    if VARIABLE not in os.environ:
        raise RuntimeError(
            "these servers need a test run: the checkout's conftest.py registers testkit.fixtures"
        )
    return Path(os.environ[VARIABLE])


def scratch(name: str) -> Path:
    """A new folder inside the run's folder, removed when the run ends."""
    return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=folder()))


def mark() -> dict[str, str]:
    """The environment variable that marks a process for the keeper, for processes that do not inherit ours."""
    return {VARIABLE: str(folder())}


def end_stacks_below(root: Path) -> None:
    """Add the processes of all embedded stacks with a folder below `root` to those that the keeper ends."""
    with (folder() / "roots").open("a", encoding="utf-8") as roots:
        roots.write(f"{root}/\n")


def once(name: str, start: Callable[[Path], Mapping[str, str]]) -> Mapping[str, str]:
    """Start a server once in the run; return the result of `start`. Concurrent calls wait for the first.

    Args:
        name: name of the server.
        start: starts the server in the given empty folder, and returns its connection data, which must fit JSON.
    """
    with (folder() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = folder() / f"{name}.json"
        if not result.exists():
            content = json.dumps(start(scratch(name)))
            # Written and renamed, so that a process that is killed here leaves no partial file.
            partial = result.with_suffix(".new")
            partial.write_text(content, encoding="utf-8")
            partial.replace(result)
        connection: Mapping[str, str] = json.loads(result.read_text(encoding="utf-8"))
        return connection


def _memory() -> Path | None:
    """The memory file system if it has 4 GiB free, because brokers and stores flush each commit to disk."""
    try:
        return _MEMORY if shutil.disk_usage(_MEMORY).free >= _MEMORY_BYTES_MIN else None
    except OSError:
        return None
