"""The start of a trial's store while a former process still has its data."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

PATH = Path(__file__).resolve().parents[2] / "deploy" / "image" / "trial" / "store.py"
HOLD = """
import fcntl, sys, time
file = open(sys.argv[1], "r+b")
fcntl.lockf(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(float(sys.argv[2]))
"""


@pytest.fixture(scope="module")
def store():
    spec = importlib.util.spec_from_file_location("trial_store", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def lock(tmp_path):
    path = tmp_path / "inner" / "WiredTiger.lock"
    path.parent.mkdir()
    path.touch()
    return path


def hold(lock, seconds):
    holder = subprocess.Popen([sys.executable, "-c", HOLD, lock, str(seconds)], stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"held\n"
    return holder


def test_it_waits_until_the_former_process_has_ended(store, lock, tmp_path):
    """Without the wait the engine would end with "resource busy"."""
    with hold(lock, 0.5) as holder:
        store.await_unlocked(tmp_path)

        assert holder.wait(10) == 0


def test_it_gives_up_with_the_folder(store, lock, tmp_path, monkeypatch):
    """A process that never ends needs an operator."""
    monkeypatch.setattr(store, "STOP_SECONDS", 0.2)
    with hold(lock, 600) as holder:
        with pytest.raises(SystemExit, match=f"another process uses {lock.parent}"):
            store.await_unlocked(tmp_path)
        holder.kill()


def test_an_empty_folder_needs_no_wait(store, tmp_path):
    """It is the first start."""
    store.await_unlocked(tmp_path)
