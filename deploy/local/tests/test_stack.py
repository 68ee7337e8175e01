"""The embedded stack: comes up once, is found again, survives what is killed, and leaves nothing behind."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pymongo
import pytest
from embedded import kernel, keys, orphaned_processes, programs
from embedded.files import write_whole
from embedded.layout import Layout, port_names
from embedded.process import Program, Running
from embedded.stack import READY_SECONDS, Stack, StackError
from platform_table.load import platform
from pymongo.errors import OperationFailure


def quiet(_line):
    """Say nothing."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """A whole stack, brought up by two at once, as two shells would."""
    made = Stack(Layout(tmp_path_factory.mktemp("stack")), quiet)
    try:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda _: made.up(), range(2)))
        yield made
    finally:
        made.down()


@pytest.fixture
def empty(tmp_path):
    """A stack of which nothing runs, taken down at the end."""
    made = Stack(Layout(tmp_path / "stack"), quiet)
    yield made
    made.down()


def ids(stack):
    return {name: run.pid for name, run in stack.running().items()}


def all_ready(stack):
    """Whether all of it is ready, or is soon: who asks a service hears what it found at its last look."""
    deadline = time.monotonic() + READY_SECONDS
    while {state for _, _, state in stack.status()} != {"ready"}:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


@pytest.mark.real
def test_two_that_start_it_at_once_start_it_once(stack):
    """Every program of the table runs once, and all of it is ready."""
    stores = [pid for pid in orphaned_processes.marked(stack.layout.folder) if is_store(pid)]

    assert all_ready(stack)
    assert set(ids(stack)) == {program.name for program in stack.table()}
    assert len(stores) == len(platform().services)


def is_store(pid):
    return b"secantusd" in Path(f"/proc/{pid}/cmdline").read_bytes()


@pytest.mark.real
def test_coming_up_again_starts_nothing(stack):
    """What runs as it should is left alone."""
    before = ids(stack)

    stack.up()

    assert ids(stack) == before


@pytest.mark.real
def test_what_was_killed_comes_back(stack):
    """A program and the broker, killed -9, are started again with their ports and data; others are left alone."""
    before, ports = ids(stack), stack.layout.ports()
    stack.kill("notification")
    stack.kill("broker")

    stack.up()

    after = ids(stack)
    assert {name for name in before if before[name] != after[name]} == {"notification"}
    assert stack.layout.ports() == ports
    assert all_ready(stack)


@pytest.mark.real
def test_what_a_killed_run_forgot_is_replaced(stack):
    """A process that was started and never written down is stopped, for it holds port and data."""
    kept = json.loads(stack.layout.running.read_text())
    forgotten = kept.pop("identity-store")["pid"]
    write_whole(stack.layout.running, json.dumps(kept))

    stack.up()

    assert ids(stack)["identity-store"] != forgotten
    assert forgotten not in orphaned_processes.marked(stack.layout.folder)
    assert all_ready(stack)


@pytest.mark.real
def test_a_store_asks_for_its_password(stack):
    """Nobody reads a store without its service's credentials."""
    port = stack.layout.ports()["notary-store"]

    with (
        pymongo.MongoClient(f"mongodb://127.0.0.1:{port}/?retryWrites=false") as client,
        pytest.raises(OperationFailure),
    ):
        client.notary.list_collection_names()


@pytest.mark.real
def test_secrets_are_their_owner_s_alone(stack):
    """Keys, passwords and what holds them are read by nobody else."""
    layout = stack.layout
    secret = [*layout.keys.rglob("*"), *layout.passwords.iterdir(), layout.running]

    modes = {stat.S_IMODE(path.stat().st_mode) for path in secret if path.is_file()}

    assert modes == {0o600}


@pytest.mark.real
def test_two_stacks_do_not_disturb_each_other(stack, empty):
    """Another folder's stack has ports of its own, and going down it stops nothing of ours."""
    before = ids(stack)
    programs_of_the_other = programs.stores(empty.layout, open_for_setup=True)[:1]

    empty._start(programs_of_the_other)
    empty.down()

    assert set(stack.layout.ports().values()).isdisjoint(empty.layout.ports().values())
    assert orphaned_processes.marked(empty.layout.folder) == []
    assert ids(stack) == before
    assert all_ready(stack)


@pytest.mark.real
def test_going_down_leaves_nothing_behind(stack):
    """After `down` no process of the folder lives, its port mapper and grandchildren included."""
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
    return Path(f"/proc/{pid}/cmdline").read_bytes().endswith(b"\0import time; time.sleep(600)\0")


def test_a_program_that_dies_at_start_is_named(empty):
    """The error says which program it was and shows its last lines."""
    broken = Program("broken", (sys.executable, "-c", "raise SystemExit('no such key')"), port="bank")

    with pytest.raises(StackError, match=r"broken ended at start:\n.*no such key"):
        empty._start([broken])


def test_a_program_that_died_before_anybody_looked_does_not_live():
    """Without a start that was read, a process id says nothing."""
    with subprocess.Popen([sys.executable, "-c", ""]) as over:
        over.wait()

    assert not Running(over.pid, kernel.born(over.pid), "").alive


def test_a_port_that_a_stranger_took_is_chosen_anew(empty):
    """The others keep theirs."""
    keys.make(empty.layout)
    before = empty.layout.ports()
    with socket.create_server(("127.0.0.1", before["bank"])):
        empty._free_the_ports()

    after = empty.layout.ports()

    assert [name for name in port_names() if before[name] != after[name]] == ["bank"]


def test_a_process_id_used_again_is_not_ours(empty):
    """Our word for a process is its id and its start: nobody else's process is stopped."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as stranger:
        kept = {"bank": {"pid": stranger.pid, "born": "1", "fingerprint": ""}}
        write_whole(empty.layout.running, json.dumps(kept))

        empty.down()

        assert stranger.poll() is None
        stranger.kill()


def test_an_orphaned_process_that_does_not_listen_is_killed(tmp_path):
    """What ignores SIGTERM is killed; processes of another folder are not touched."""
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

        orphaned_processes.STOP_LIMIT_SECONDS, usual = 0.5, orphaned_processes.STOP_LIMIT_SECONDS
        orphaned_processes.stop(orphaned_processes.find(tmp_path / "one", set()))
        orphaned_processes.STOP_LIMIT_SECONDS = usual

        assert orphaned_processes.marked(tmp_path / "one") == []
        assert orphaned_processes.marked(tmp_path / "two") == [other.pid]
        other.send_signal(signal.SIGKILL)


def test_a_file_is_there_whole_or_not_at_all(tmp_path):
    """While it is written again and again, a reader never meets half of it."""
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
