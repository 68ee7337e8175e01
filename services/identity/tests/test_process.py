"""Identity as a process: help, SIGKILL during an enrolment, and a graceful stop."""

import asyncio
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
import pytest_asyncio
from diwan.identity.v1 import identity_pb2 as pb
from diwan.identity.v1 import identity_pb2_grpc
from testkit import processes
from testkit.ports import free_port
from testkit.processes import check_status

pytestmark = [pytest.mark.real, pytest.mark.process, pytest.mark.asyncio(loop_scope="session")]


class Process:
    """`python -m identity` on its own ports, with the store of the other tests."""

    def __init__(self, world: Any) -> None:
        self.rpc, self.http = free_port(), free_port()
        settings = world.settings
        self._environment = {
            **os.environ,
            "IDENTITY_BROKER_URI": settings.broker_uri,
            "IDENTITY_STORE_URI": settings.store_uri,
            "IDENTITY_STORE_DATABASE": settings.store_database,
            "IDENTITY_KEYS_DIR": str(settings.keys_dir),
            "IDENTITY_SERVICES": settings.services,
            "IDENTITY_GRPC_LISTEN": f"127.0.0.1:{self.rpc}",
            "IDENTITY_HTTP_LISTEN": f"127.0.0.1:{self.http}",
        }
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "identity"],
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def end(self, how: signal.Signals) -> tuple[int, str]:
        assert self._process is not None
        self._process.send_signal(how)
        output, _ = self._process.communicate(timeout=60)
        return self._process.returncode, output

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}{path}", timeout=10) as response:
            return str(response.read().decode())

    def ready(self) -> bool:
        try:
            return bool(self.get("/readyz"))
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False


@pytest_asyncio.fixture(loop_scope="session")
async def process(world: Any) -> AsyncIterator[Process]:
    process = Process(world)
    process.start()
    await world.until(process.ready)
    yield process
    process.end(signal.SIGKILL)


async def test_help_lists_every_setting() -> None:
    """Each environment variable is listed by its name."""
    command = [sys.executable, "-m", "identity", "--help"]
    output = await asyncio.to_thread(processes.run, command)

    for name in (
        "STORE_URI",
        "KEYS_DIR",
        "CHECK_DIGIT_RULE",
        "STARTS_PER_HOUR",
        "RESEND_SECONDS",
        "SERVICES",
    ):
        assert f"IDENTITY_{name}" in output


async def test_an_enrolment_outlives_the_process(world: Any, process: Process) -> None:
    """After SIGKILL between start and code it can be completed; SIGTERM then stops the process gracefully."""
    channel = grpc.aio.insecure_channel(f"127.0.0.1:{process.rpc}")
    stub = identity_pb2_grpc.IdentityServiceStub(channel)
    person = await world.registered()
    started = await stub.StartEnrolment(world.enrolment(person))
    code = await world.phones.code(person.mobile)

    process.end(signal.SIGKILL)
    process.start()
    await world.until(process.ready)
    complete = pb.CompleteEnrolmentRequest(
        request_id=str(uuid.uuid4()), enrolment_id=started.enrolment_id, code=code
    )
    account = await stub.CompleteEnrolment(complete, wait_for_ready=True, timeout=30)
    metrics = process.get("/metrics")
    await channel.close()
    status, log = await asyncio.to_thread(process.end, signal.SIGTERM)
    process.start()

    assert account.person_id == person.person_id
    assert 'diwan_identity_enrolments_total{outcome="done",way="online"} 1.0' in metrics
    check_status(status, 0, log)
    assert '"process ends"' in log
    assert person.national_id not in log
