"""A test run: its folder, which all its processes share, and servers that it starts once.

The leading process is pytest itself. Processes side by side (xdist's workers) find the folder in their environment, and
so does every program that they start: by this variable the keeper finds them all when the run has ended.
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
_MEMORY = Path("/dev/shm")  # noqa: S108 -- the folder made there is private
_MEMORY_BYTES_MIN = 4 << 30


class Lead:
    """The leading process's hold on the run: `close`, or the end of the process, ends all of it."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="diwan-test-", dir=_memory()))
        self._former = os.environ.get(VARIABLE)
        # A session of its own: Ctrl-C at the tests does not reach it before the tests have ended.
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
    """The run's folder, in memory if there is room; RuntimeError outside of a test run."""
    if VARIABLE not in os.environ:
        raise RuntimeError(
            "only a test run has these servers: the checkout's conftest.py registers testkit.fixtures"
        )
    return Path(os.environ[VARIABLE])


def scratch(name: str) -> Path:
    """A new folder in the run's, removed when the run ends."""
    return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=folder()))


def mark() -> dict[str, str]:
    """The variable by which the keeper finds a process, for those that do not inherit ours."""
    return {VARIABLE: str(folder())}


def end_stacks_below(root: Path) -> None:
    """Let the keeper also end the processes of every embedded stack whose folder lies below `root`."""
    with (folder() / "roots").open("a", encoding="utf-8") as roots:
        roots.write(f"{root}/\n")


def once(name: str, start: Callable[[Path], Mapping[str, str]]) -> Mapping[str, str]:
    """What `start` returned to the first process of the run that asked for `name`; others wait for it.

    Args:
        name: of the server.
        start: starts it in the empty folder given, and returns how it is reached.
    """
    with (folder() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        kept = folder() / f"{name}.json"
        if not kept.exists():
            reached = json.dumps(start(scratch(name)))
            # By a rename: a process that is killed here leaves no half of it.
            beside = kept.with_suffix(".new")
            beside.write_text(reached, encoding="utf-8")
            beside.replace(kept)
        found: Mapping[str, str] = json.loads(kept.read_text(encoding="utf-8"))
        return found


def _memory() -> Path | None:
    """The memory file system if it has room: brokers and stores write each commit through to their disk."""
    try:
        return _MEMORY if shutil.disk_usage(_MEMORY).free >= _MEMORY_BYTES_MIN else None
    except OSError:
        return None
