"""Calls to a process that hangs, or is killed and replaced, with the published options of clients."""

import asyncio
import json
import signal
import sys
from pathlib import Path

import grpc
import pytest
from chassis.rpc import client
from demo import calls
from grpc_health.v1 import health_pb2, health_pb2_grpc

SERVER = Path(__file__).with_name("health_server.py")
LIVE = health_pb2.HealthCheckRequest(service="live")
# Longer than a start under load, and shorter than TCP needs to give up.
DEADLINE_SECONDS = 45


class Servers:
    """Server processes."""

    def __init__(self, folder):
        self._folder = folder
        self.processes = []

    async def start(self, port=0):
        """Start a process; return it and its port."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, SERVER, str(port), self._folder, stdout=asyncio.subprocess.PIPE
        )
        self.processes.append(process)
        return process, int(await process.stdout.readline())

    async def stop(self):
        for process in self.processes:
            if process.returncode is None:
                process.kill()
            await process.wait()


@pytest.fixture
async def servers(tmp_path):
    servers = Servers(tmp_path)
    yield servers
    await servers.stop()


def outside(target):
    """A channel with the options for clients outside of the platform, and a longer deadline."""
    (method,) = calls.SERVICE_CONFIG["methodConfig"]
    patient = {**calls.SERVICE_CONFIG, "methodConfig": [{**method, "timeout": f"{DEADLINE_SECONDS}s"}]}
    options = {**dict(calls.OPTIONS), "grpc.service_config": json.dumps(patient)}
    return grpc.aio.insecure_channel(target, options=list(options.items()))


@pytest.mark.parametrize("connect", [outside, client.connect], ids=["outside", "service"])
async def test_calls_leave_a_process_that_hangs(servers, connect):
    """A ping without an answer closes the connection, and its calls are retried elsewhere before their deadline."""
    (hung, first), (_, second) = await asyncio.gather(servers.start(), servers.start())
    channel = connect(f"ipv4:127.0.0.1:{first},127.0.0.1:{second}")
    check = health_pb2_grpc.HealthStub(channel).Check
    await asyncio.gather(*(check(LIVE, timeout=DEADLINE_SECONDS) for _ in range(4)))  # both are connected

    hung.send_signal(signal.SIGSTOP)
    answers = await asyncio.gather(*(check(LIVE, timeout=DEADLINE_SECONDS) for _ in range(20)))

    assert {answer.status for answer in answers} == {health_pb2.HealthCheckResponse.SERVING}
    await channel.close()


async def test_no_call_is_lost_while_the_only_process_is_killed_and_replaced(servers):
    """Calls wait for the new process, which the client finds at once."""
    first, port = await servers.start()
    channel = outside(f"127.0.0.1:{port}")
    check = health_pb2_grpc.HealthStub(channel).Check
    await check(LIVE, timeout=DEADLINE_SECONDS)
    answers = []

    async def call():
        while True:
            answers.append(await check(LIVE, timeout=DEADLINE_SECONDS))

    callers = [asyncio.create_task(call()) for _ in range(8)]
    first.kill()
    await first.wait()
    await asyncio.sleep(6)  # longer than the retries of a call that does not wait
    before = len(answers)
    await servers.start(port)
    while len(answers) < before + 100 and not any(one.done() for one in callers):  # noqa: ASYNC110 -- no notification
        await asyncio.sleep(0.01)
    failed = [one for one in callers if one.done()]
    for one in callers:
        one.cancel()
    ended = await asyncio.gather(*callers, return_exceptions=True)
    await channel.close()

    assert failed == [], ended
