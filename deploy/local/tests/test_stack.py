"""The embedded stack: it starts once, is found again, replaces killed programs, and leaves no process behind."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pymongo
import pytest
from embedded import kernel, keys, orphaned_processes, programs
from embedded.files import write_whole
from embedded.layout import port_names
from embedded.process import Program, Running
from embedded.stack import READY_SECONDS, StackError
from platform_table.load import platform
from pymongo.errors import OperationFailure
from testkit.stack import empty_stack


@pytest.fixture
def stack(breakable_stack):
    """A whole stack, started by two callers at the same time."""
    return breakable_stack


@pytest.fixture
def empty(tmp_path):
    """A stack without running programs, stopped at the end."""
    stack = empty_stack(tmp_path / "stack")
    yield stack
    stack.down()


def ids(stack):
    return {name: run.pid for name, run in stack.running().items()}


def all_ready(stack):
    """Wait until all programs are ready; a service reports the result of its last periodic check."""
    deadline = time.monotonic() + READY_SECONDS
    while {state for _, _, state in stack.status()} != {"ready"}:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


@pytest.mark.real
def test_concurrent_starts_start_each_program_once(stack):
    """Every program of the table runs once and is ready."""
    stores = [pid for pid in orphaned_processes.marked(stack.layout.folder) if is_store(pid)]

    assert all_ready(stack)
    assert set(ids(stack)) == {program.name for program in stack.table()}
    assert len(stores) == len(platform().services)


def is_store(pid):
    return b"secantusd" in kernel.command_line(pid)


@pytest.mark.real
def test_a_repeated_start_starts_nothing(stack):
    """Running programs are left alone."""
    before = ids(stack)

    stack.up()

    assert ids(stack) == before


@pytest.mark.real
def test_killed_programs_are_started_again(stack):
    """A program and the broker get their old ports and data; the others are left alone."""
    before, ports = ids(stack), stack.layout.ports()
    stack.kill("notification")
    stack.kill("broker")

    stack.up()

    after = ids(stack)
    assert {name for name in before if before[name] != after[name]} == {"notification"}
    assert stack.layout.ports() == ports
    assert all_ready(stack)


@pytest.mark.real
def test_an_unrecorded_process_is_replaced(stack):
    """A process that was started but not recorded is stopped, because it holds a port and data."""
    kept = json.loads(stack.layout.running.read_text())
    unrecorded = kept.pop("identity-store")["pid"]
    write_whole(stack.layout.running, json.dumps(kept))

    stack.up()

    assert ids(stack)["identity-store"] != unrecorded
    assert unrecorded not in orphaned_processes.marked(stack.layout.folder)
    assert all_ready(stack)


@pytest.mark.real
def test_a_store_requires_its_password(stack):
    """A store cannot be read without its service's credentials."""
    port = stack.layout.ports()["notary-store"]

    with (
        pymongo.MongoClient(f"mongodb://127.0.0.1:{port}/?retryWrites=false") as client,
        pytest.raises(OperationFailure),
    ):
        client.notary.list_collection_names()


@pytest.mark.real
def test_secret_files_are_readable_only_by_their_owner(stack):
    """Keys, passwords, and the record of commands that contain them."""
    layout = stack.layout
    secret = [*layout.keys.rglob("*"), *layout.passwords.iterdir(), layout.running]

    modes = {stat.S_IMODE(path.stat().st_mode) for path in secret if path.is_file()}

    assert modes == {0o600}


@pytest.mark.real
def test_two_stacks_are_independent(stack, empty):
    """A stack in another folder has other ports, and `down` stops only its own programs."""
    before = ids(stack)
    other_programs = programs.stores(empty.layout, open_for_setup=True)[:1]

    empty._start(other_programs)
    empty.down()

    assert set(stack.layout.ports().values()).isdisjoint(empty.layout.ports().values())
    assert orphaned_processes.marked(empty.layout.folder) == []
    assert ids(stack) == before
    assert all_ready(stack)


@pytest.mark.real
def test_down_leaves_no_process_behind(stack):
    """After `down` no process of the folder runs; the port mapper and grandchildren are stopped too."""
    stack.kill("bank")
    stack._start([Program("parent", (sys.executable, "-c", PARENT), port="bank")])
    grandchildren = [pid for pid in orphaned_processes.marked(stack.layout.folder) if is_grandchild(pid)]
    assert len(grandchildren) == 1

    stack.down()

    assert orphaned_processes.marked(stack.layout.folder) == []
    assert stack.running() == {}


PARENT = """
import json, socket, subprocess, sys, time
port = json.load(open("ports.json"))["bank"]
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
listening = socket.create_server(("127.0.0.1", port))
time.sleep(600)
"""


def is_grandchild(pid):
    return kernel.command_line(pid).endswith(b"\0import time; time.sleep(600)\0")


def test_a_program_that_dies_at_start_is_named(empty):
    """The error names the program and shows the last lines of its log."""
    broken = Program("broken", (sys.executable, "-c", "raise SystemExit('no such key')"), port="bank")

    with pytest.raises(StackError, match=r"broken ended at start:\n.*no such key"):
        empty._start([broken])


def test_a_program_that_ended_before_its_start_was_read_is_not_alive():
    """A process id without a start time identifies no process."""
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()

    assert not Running(ended.pid, kernel.start_time(ended.pid), "").alive


def test_a_port_taken_by_another_program_is_replaced(empty):
    """The other ports stay the same."""
    keys.make(empty.layout)
    before = empty.layout.ports()
    with socket.create_server(("127.0.0.1", before["bank"])):
        empty._replace_taken_ports()

    after = empty.layout.ports()

    assert [name for name in port_names() if before[name] != after[name]] == ["bank"]


def test_a_reused_process_id_is_not_ours(empty):
    """A process is identified by its id and its start time, so that no other process is stopped."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as other:
        kept = {"bank": {"pid": other.pid, "start_time": "1", "fingerprint": ""}}
        write_whole(empty.layout.running, json.dumps(kept))

        empty.down()

        assert other.poll() is None
        other.kill()


def test_a_process_that_has_just_been_started_is_not_overlooked(tmp_path):
    """Its environment and arguments are empty inside execve, which lasts longer on a busy machine."""
    code = "import time; time.sleep(600)"
    environment = {orphaned_processes.MARK: str(tmp_path)}
    hogs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(4)]
    try:
        for _ in range(20):
            with subprocess.Popen([sys.executable, "-S", "-c", code], env=environment) as process:
                read = kernel.environment(process.pid), kernel.command_line(process.pid)
                marked = orphaned_processes.marked(tmp_path)
                process.kill()
            assert f"{orphaned_processes.MARK}={tmp_path}".encode() in read[0]
            assert read[1].endswith(b"time.sleep(600)\0")
            assert marked == [process.pid]
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()


def test_an_ended_process_has_no_environment():
    """Neither while it is a zombie nor after it."""
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        zombie = kernel.environment(ended.pid)

    assert zombie == []
    assert kernel.environment(ended.pid) == []


def test_an_orphaned_process_that_ignores_sigterm_is_killed(tmp_path):
    """Processes of another folder are left alone."""
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(600)"
    ours, other = (
        subprocess.Popen(
            [sys.executable, "-c", code],
            env={**os.environ, orphaned_processes.MARK: str(folder)},
            stdout=subprocess.PIPE,
        )
        for folder in (tmp_path / "one", tmp_path / "two")
    )
    with ours, other:
        for each in (ours, other):
            each.stdout.readline()

        orphaned_processes.STOP_LIMIT_SECONDS, default = 0.5, orphaned_processes.STOP_LIMIT_SECONDS
        orphaned_processes.stop(orphaned_processes.find(tmp_path / "one", set()))
        orphaned_processes.STOP_LIMIT_SECONDS = default

        assert orphaned_processes.marked(tmp_path / "one") == []
        assert orphaned_processes.marked(tmp_path / "two") == [other.pid]
        other.send_signal(signal.SIGKILL)


def test_a_file_is_replaced_atomically(tmp_path):
    """A reader sees a whole version at any time during repeated writes."""
    path = tmp_path / "running.json"
    write_whole(path, "a" * 100_000)
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(lambda: [write_whole(path, letter * 100_000) for letter in "bcdefgh"])
        seen = set()
        while not writing.done():
            seen.add(len(path.read_text()))
            time.sleep(0)

    assert seen <= {100_000}
    assert [entry.name for entry in tmp_path.iterdir()] == ["running.json"]
