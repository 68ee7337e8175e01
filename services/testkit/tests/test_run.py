"""A run's servers start once, and no process or folder of a run is left after its end."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from testkit import keeper, run
from testkit.connectors import eventually

LEAD = """
import os, signal, subprocess, sys, time
from pathlib import Path
from testkit import run
# A background job of a shell ignores SIGINT, and its children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
lead = run.Lead()
root = Path(f"/nowhere/{os.getpid()}")
run.end_stacks_below(root)
sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
subprocess.Popen(sleep, start_new_session=True)
subprocess.Popen(sleep, env={"DIWAN_STACK_FOLDER": str(root / "stack")})
print(lead.folder, flush=True)
sys.stdin.read()
lead.close()
"""


def lead() -> tuple[subprocess.Popen[str], Path]:
    """Start another run with two further processes; return its leading process and its folder."""
    started = subprocess.Popen(
        [sys.executable, "-c", LEAD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert started.stdout is not None
    return started, Path(started.stdout.readline().strip())


def test_a_server_is_started_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Concurrent calls wait for the first call and return the same result."""
    monkeypatch.setenv(run.VARIABLE, str(tmp_path))
    started: list[Path] = []

    def start(folder: Path) -> dict[str, str]:
        started.append(folder)
        time.sleep(0.1)
        return {"folder": str(folder)}

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: run.once("server", start), range(4)))

    assert len(started) == 1
    assert results == [{"folder": str(started[0])}] * 4


def test_a_failed_start_is_retried_by_the_next_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next call starts the server in a new folder."""
    monkeypatch.setenv(run.VARIABLE, str(tmp_path))
    folders: list[Path] = []

    def start(folder: Path) -> dict[str, str]:
        folders.append(folder)
        if len(folders) == 1:
            raise ChildProcessError
        return {}

    with pytest.raises(ChildProcessError):
        run.once("server", start)
    run.once("server", start)

    assert len(set(folders)) == 2


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT, None])
def test_no_process_or_folder_outlives_a_run(end: signal.Signals | None) -> None:
    """The leading process is killed, is interrupted, or closes the run."""
    leading, folder = lead()
    with leading:
        assert len(list(keeper.processes(folder))) == 2
        if end:
            os.kill(leading.pid, end)
        else:
            assert leading.stdin is not None
            leading.stdin.close()
            leading.wait(30)
            assert not folder.exists()

        eventually(lambda: not folder.exists())
        assert list(keeper.processes(folder)) == []


def test_the_end_of_a_run_affects_no_other() -> None:
    """Each of two concurrent runs, such as of two clones, ends only its own processes."""
    one, folder = lead()
    other, other_folder = lead()
    with one, other:
        before = list(keeper.processes(other_folder))

        one.kill()

        eventually(lambda: not folder.exists())
        assert list(keeper.processes(other_folder)) == before
        other.kill()
        eventually(lambda: not other_folder.exists())
