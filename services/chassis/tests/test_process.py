"""The life of a process, in processes of their own."""

import asyncio
import json
import os
import signal
import subprocess
import sys

import pytest
from chassis.admin_server import AdminServer
from chassis.readiness import Readiness

# A process takes its time to start where many do.
START_SECONDS = 60
PROGRAM = """
import asyncio, sys
from chassis.process import run
from chassis.settings import ProcessSettings
from pydantic_settings import SettingsConfigDict

class Settings(ProcessSettings):
    model_config = SettingsConfigDict(env_prefix="TRIAL_")

def say(*words):
    print(*words, file=sys.stderr, flush=True)

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
    """Starts a process whose `build` ends with this code; kills it if it outlives the test."""
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
    """Read what the process says up to this line."""
    said = []
    for text in process.stderr:
        said.append(text.strip())
        if said[-1] == line:
            return said
    raise AssertionError(said)


def test_asked_to_stop_it_stops_its_parts_last_first(program):
    """Who leans on others stops before them; the exit status is 0."""
    process = program('return [Component("store"), Component("api")]')
    until(process, "started api")

    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=START_SECONDS)

    assert said.split("\n")[:4] == ["stopping api", "stopped api", "stopping store", "stopped store"]
    assert process.returncode == 0


def test_a_part_waits_for_what_it_needs(program):
    """What is not there yet is asked again, and the others start meanwhile."""
    body = (
        'return [Component("store", lambda n: ConnectionRefusedError() if n < 3 else None), Component("api")]'
    )
    process = program(body)

    assert until(process, "started store")[-2:] == ["started api", "started store"]


def test_waiting_does_not_mend_everything(program):
    """A component that fails for good ends the process, with status 1 and the others stopped."""
    process = program('return [Component("store"), Component("api", lambda n: ValueError("wrong"))]')
    out, said = process.communicate(timeout=START_SECONDS)

    assert process.returncode == 1
    assert "stopped store" in said
    assert any(json.loads(line)["event"] == "process fails" for line in out.splitlines())


def test_a_part_that_dies_ends_the_process(program):
    """Half a service is none: somebody starts it again."""
    process = program('return [Component("store"), Mortal("relay", lives=0.1)]')
    out, said = process.communicate(timeout=START_SECONDS)

    assert process.returncode == 1
    assert "stopped store" in said
    assert "relay ended by itself" in out


def test_a_part_that_does_not_stop_is_left_behind(program):
    """Draining has its limit, and the others still stop."""
    process = program('return [Component("store"), Component("api", stops=600)]', TRIAL_DRAIN_SECONDS="0.1")
    until(process, "started api")

    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=START_SECONDS)

    assert "stopped store" in said
    assert "stopped api" not in said


def test_asked_twice_it_leaves_at_once(program):
    """Somebody cannot wait."""
    process = program('return [Component("api", stops=60)]', TRIAL_DRAIN_SECONDS="60")
    until(process, "started api")
    process.send_signal(signal.SIGTERM)
    until(process, "stopping api")

    process.send_signal(signal.SIGTERM)

    assert process.wait(timeout=START_SECONDS) == 130


@pytest.mark.parametrize(
    ("arguments", "roles"),
    [
        ([], "roles api policies relay"),
        (["--only", "api"], "roles api"),
        (["--only", "relay", "--only", "policies"], "roles policies relay"),
    ],
)
def test_a_process_may_run_some_parts_alone(program, arguments, roles):
    """The cluster runs the API apart from policies and relay."""
    assert until(program('return [Component("it")]', *arguments), "port")[0] == roles


def test_help_lists_every_setting(program):
    """Without any being set."""
    process = program("return []", "--help")
    out, _ = process.communicate(timeout=START_SECONDS)

    assert process.returncode == 0
    assert "TRIAL_KEYS_DIR  [required]" in out
    assert "--only" in out


def test_a_wrong_setting_is_a_line_and_status_2(program):
    """Before anything is started."""
    process = program("return []", TRIAL_DRAIN_SECONDS="-1")
    _, said = process.communicate(timeout=START_SECONDS)

    assert process.returncode == 2
    assert said.startswith("trial: TRIAL_DRAIN_SECONDS is wrong")


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


async def test_readyz_says_what_is_missing(http):
    """503 with the component that does not answer, then 200, then 503 once asked to stop."""
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
    """GET of the three paths."""
    server, _ = http

    assert b"python_info" in (await get(server.port, "/metrics"))[1]
    assert await get(server.port, "/healthz") == (200, b"alive\n")
    assert (await get(server.port, "/other"))[0] == 404
    assert (await get(server.port, "", "POST /metrics HTTP/1.1"))[0] == 405
    assert (await get(server.port, "", "nonsense"))[0] == 400
