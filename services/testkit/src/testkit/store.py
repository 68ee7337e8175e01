"""A real store for tests: SecantusDB, which implements MongoDB's protocol."""

import functools
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pymongo
from pymongo.errors import PyMongoError

from testkit import run
from testkit.ports import free_port

_START_SECONDS = 60.0


class StoreServer:
    """A store server on a free port, with its data in a folder of the test run.

    It flushes its log at each commit, so that no acknowledged write is lost when it is killed.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or run.scratch("store")
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.uri = f"mongodb://127.0.0.1:{self._port}/"

    def start(self) -> None:
        """Start or restart the server, and wait until it responds."""
        program = shutil.which(
            "secantusd-py", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        )
        if program is None:
            raise FileNotFoundError("secantusd-py: install the package SecantusDB")
        command = [program, "--sync-on-commit", "--log-level", "WARNING", "--host", "127.0.0.1"]
        command += ["--port", str(self._port), "--storage-path", str(self._folder / "data")]
        with (self._folder / "log").open("ab") as log:
            # In a session of its own, so that Ctrl-C does not end it before the tests.
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                command, stdout=log, stderr=log, cwd=self._folder, start_new_session=True
            )
        self._wait()

    def kill(self) -> None:
        """Send SIGKILL, to simulate a crash."""
        self._end(signal.SIGKILL)

    def close(self) -> None:
        """Stop the server and remove its data."""
        self._end(signal.SIGTERM)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _wait(self) -> None:
        end = time.monotonic() + _START_SECONDS
        with pymongo.MongoClient[dict[str, object]](self.uri, serverSelectionTimeoutMS=200) as client:
            while True:
                try:
                    client.admin.command("ping")
                except PyMongoError:
                    self._check_alive()
                    if time.monotonic() > end:
                        raise
                else:
                    self._check_alive()
                    return

    def _check_alive(self) -> None:
        """Raise ChildProcessError if our server has ended: another process may respond on its port."""
        if self._process is None or self._process.poll() is not None:
            raise ChildProcessError(f"the store ended: {(self._folder / 'log').read_text()[-2000:]}")


@functools.cache
def shared_store() -> str:
    """URI of the run's store server, which the first call in the run starts; each test uses its own databases."""
    return run.once("shared-store", _start)["uri"]


def _start(folder: Path) -> dict[str, str]:
    server = StoreServer(folder)
    server.start()
    return {"uri": server.uri}
