"""The life cycle of a process, in separate processes."""

import asyncio
import json
import os
import signal
import subprocess
import sys

import pytest
from chassis.admin_server import AdminServer
from chassis.readiness import Readiness
from testkit.processes import check_status

pytestmark = pytest.mark.process

# Enough for a busy machine.
START_SECONDS = 60
PROGRAM = """
import asyncio, sys
from chassis.process import run
from chassis.settings import ProcessSettings
from pydantic_settings import SettingsConfigDict

class Settings(ProcessSettings):
    model_config = SettingsConfigDict(env_prefix="TRIAL_")

def say(*words):
    print(*words, file=sys.__stderr__, flush=True)

class Component:
    def __init__(self, name, starts=lambda n: None, stops=0.0, lives=None):
        self.name, self.starts, self.stops, self.lives, self.tries = name, starts, stops, lives, 0
    async def start(self):
        self.tries += 1
        if error := self.starts(self.tries):
            raise error
        say("started", self.name)
    async def stop(self):
        say("stopping", self.name)
        await asyncio.sleep(self.stops)
        say("stopped", self.name)

class Mortal(Component):
    async def wait(self):
        await asyncio.sleep(self.lives)

async def build(env):
    say("roles", *sorted(env.roles))
    say("port")
    {body}

run("trial", Settings, build)
"""


@pytest.fixture
def program(tmp_path):
    """Return a function that starts a process whose `build` ends with this code; it is killed after the test."""
    started = []

    def start(body, *arguments, **environment):
        given = {"TRIAL_BROKER_URI": "amqp://localhost", "TRIAL_KEYS_DIR": str(tmp_path)} | environment
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM.replace("{body}", body), *arguments],
            env={"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1"} | given,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def until(process, line):
    """Read the standard error of the process up to this line; return its lines."""
    lines = []
    for text in process.stderr:
        lines.append(text.strip())
        if lines[-1] == line:
            return lines
    raise AssertionError(lines)


def test_sigterm_stops_the_components_in_reverse_order(program):
    """A component stops before those that it depends on; the exit status is 0."""
    process = program('return [Component("store"), Component("api")]')
    until(process, "started api")

    process.send_signal(signal.SIGTERM)
    out, errors = process.communicate(timeout=START_SECONDS)

    check_status(process.returncode, 0, out + errors)
    assert errors.split("\n")[:4] == ["stopping api", "stopped api", "stopping store", "stopped store"]


def test_a_component_waits_for_its_dependencies(program):
    """Its start is retried while the others start."""
    body = (
        'return [Component("store", lambda n: ConnectionRefusedError() if n < 3 else None), Component("api")]'
    )
    process = program(body)

    assert until(process, "started store")[-2:] == ["started api", "started store"]


def test_a_permanent_failure_at_the_start_ends_the_process(program):
    """The exit status is 1, and the other components are stopped."""
    process = program('return [Component("store"), Component("api", lambda n: ValueError("wrong"))]')
    out, errors = process.communicate(timeout=START_SECONDS)

    check_status(process.returncode, 1, out + errors)
    assert "stopped store" in errors
    assert any(json.loads(line)["event"] == "process fails" for line in out.splitlines())


def test_a_component_that_ends_by_itself_ends_the_process(program):
    """The supervisor restarts the whole process."""
    process = program('return [Component("store"), Mortal("relay", lives=0.1)]')
    out, errors = process.communicate(timeout=START_SECONDS)

    check_status(process.returncode, 1, out + errors)
    assert "stopped store" in errors
    assert "relay ended by itself" in out


def test_a_component_that_does_not_stop_is_abandoned(program):
    """The drain has a limit, and the other components are stopped."""
    process = program('return [Component("store"), Component("api", stops=600)]', TRIAL_DRAIN_SECONDS="0.1")
    until(process, "started api")

    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=START_SECONDS)

    assert "stopped store" in errors
    assert "stopped api" not in errors


def test_a_second_sigterm_ends_the_process_at_once(program):
    """The exit status is 130."""
    process = program('return [Component("api", stops=60)]', TRIAL_DRAIN_SECONDS="60")
    until(process, "started api")
    process.send_signal(signal.SIGTERM)
    until(process, "stopping api")

    process.send_signal(signal.SIGTERM)

    out, errors = process.communicate(timeout=START_SECONDS)
    check_status(process.returncode, 130, out + errors)


@pytest.mark.parametrize(
    ("arguments", "roles"),
    [
        ([], "roles api policies relay"),
        (["--only", "api"], "roles api"),
        (["--only", "relay", "--only", "policies"], "roles policies relay"),
    ],
)
def test_a_process_runs_the_requested_roles(program, arguments, roles):
    """The cluster runs the API in other processes than policies and relay."""
    assert until(program('return [Component("it")]', *arguments), "port")[0] == roles


def test_help_lists_every_setting(program):
    """It works without any setting."""
    process = program("return []", "--help")
    out, errors = process.communicate(timeout=START_SECONDS)

    check_status(process.returncode, 0, out + errors)
    assert "TRIAL_KEYS_DIR  [required]" in out
    assert "--only" in out


def test_a_wrong_setting_ends_the_process_with_status_2(program):
    """It is reported in one line before anything is started."""
    process = program("return []", TRIAL_DRAIN_SECONDS="-1")
    out, errors = process.communicate(timeout=START_SECONDS)

    check_status(process.returncode, 2, out + errors)
    assert errors.startswith("trial: TRIAL_DRAIN_SECONDS is wrong")


async def get(port, path, line=None):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write((line or f"GET {path} HTTP/1.1").encode() + b"\r\nHost: x\r\n\r\n")
    answer = await reader.read()
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


@pytest.fixture
async def http():
    readiness = Readiness()
    server = AdminServer("127.0.0.1:0", readiness)
    await server.start()
    yield server, readiness
    await server.stop()


async def test_readyz_names_the_missing_component(http):
    """The status is 503 until all components answer, then 200, and 503 again during the stop."""
    server, readiness = http
    answers = []

    async def store():
        return bool(answers)

    readiness.add("store", store)
    await readiness.check()
    assert await get(server.port, "/readyz") == (503, b'{"ready": false, "components": {"store": false}}')

    answers.append(1)
    await readiness.check()
    assert (await get(server.port, "/readyz"))[0] == 200

    readiness.close()
    assert (await get(server.port, "/readyz"))[0] == 503


async def test_metrics_and_liveness_are_served_and_nothing_else(http):
    """Other paths, methods and requests are refused."""
    server, _ = http

    assert b"python_info" in (await get(server.port, "/metrics"))[1]
    assert await get(server.port, "/healthz") == (200, b"alive\n")
    assert (await get(server.port, "/other"))[0] == 404
    assert (await get(server.port, "", "POST /metrics HTTP/1.1"))[0] == 405
    assert (await get(server.port, "", "nonsense"))[0] == 400


@pytest.mark.parametrize("head", [b"", b"GET /metrics HTTP/1.1\r\n", b"GET /metrics HTTP/1.1\r\n\r\n"])
async def test_clients_that_hold_connections_open_do_not_stop_the_admin_server(http, head):
    """Clients that send nothing, half a head, or read no answer: the oldest make room, all are cut after the limit."""
    server, _ = http
    held = []
    for _ in range(420):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
        writer.write(head)
        held.append((reader, writer))

        if len(held) % 100 == 0:
            assert await get(server.port, "/healthz") == (200, b"alive\n")

    assert await get(server.port, "/healthz") == (200, b"alive\n")
    assert server.open_connections <= 64
    async with asyncio.timeout(START_SECONDS):
        await asyncio.gather(*(reader.read() for reader, _ in held), return_exceptions=True)
    for _, writer in held:
        writer.close()
