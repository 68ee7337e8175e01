"""Notification as a process: help, settings, start and stop, and a log without secrets."""

import asyncio
import json
import os
import signal
import sys
import urllib.request
from typing import Any

import pytest
from diwan.identity.v1 import events_pb2 as identity
from diwan.notification.v1 import sms_pb2
from google.protobuf import json_format
from notification.settings import Settings
from testkit.ports import free_port
from testkit.processes import check_status
from testkit.service import Trial, eventually

pytestmark = pytest.mark.process
real = pytest.mark.real
module_loop = pytest.mark.asyncio(loop_scope="module")

# Longer than a real code: six digits could occur by chance in a time or an id.
MOBILE, CODE = "+201098765432", "918273645546"


async def process(*arguments: str, **environment: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "notification",
        *arguments,
        env={"PATH": os.environ["PATH"], **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


async def output_of(running: asyncio.subprocess.Process) -> tuple[str, int]:
    output, _ = await asyncio.wait_for(running.communicate(), 60)
    assert running.returncode is not None
    return output.decode(), running.returncode


@module_loop
async def test_help_lists_every_setting() -> None:
    """Each environment variable is listed by its name."""
    text, status = await output_of(await process("--help"))

    check_status(status, 0, text)
    for field in Settings.model_fields:
        assert f"NOTIFICATION_{field.upper()}" in text


@module_loop
async def test_missing_settings_end_it_with_status_2() -> None:
    """The output names each missing setting on its own line."""
    text, status = await output_of(await process())

    check_status(status, 2, text)
    assert "NOTIFICATION_STORE_URI is not set" in text
    assert "NOTIFICATION_IDENTITY_TARGET is not set" in text


def variables(trial: Trial, http: int) -> dict[str, str]:
    settings = trial.env.settings
    return {
        "NOTIFICATION_BROKER_URI": settings.broker_uri,
        "NOTIFICATION_STORE_URI": settings.store_uri,
        "NOTIFICATION_STORE_DATABASE": settings.store_database,
        "NOTIFICATION_KEYS_DIR": str(settings.keys_dir),
        "NOTIFICATION_STATE_DIR": str(settings.state_dir),
        "NOTIFICATION_IDENTITY_TARGET": settings.identity_target,
        "NOTIFICATION_HTTP_LISTEN": f"127.0.0.1:{http}",
        "NOTIFICATION_LOG_LEVEL": "DEBUG",
    }


def fetch(port: int, path: str) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as response:
            return str(response.read().decode())
    except OSError:
        return ""


@real
@module_loop
async def test_it_runs_beside_another_logs_no_secret_and_stops_on_sigterm(trial: Trial) -> None:
    """Its log holds neither code nor number, its metrics count messages by state, and its exit status is 0."""
    port = free_port()
    running = await process(**variables(trial, port))
    try:
        await eventually(lambda: asyncio.to_thread(fetch, port, "/readyz"))
        for _ in range(20):
            await trial.publish("identity", code_command())
        commands = await trial.all_taken("sms.notification.message", sms_pb2.SubmitSms, 20, within_seconds=60)
        await eventually(lambda: counts_messages(port))
    finally:
        running.send_signal(signal.SIGTERM)
    text, status = await output_of(running)

    assert len({one.message_id for one in commands}) == 20
    check_status(status, 0, text)
    assert all(json.loads(line) for line in text.splitlines() if line.startswith("{"))
    for secret in (CODE, MOBILE, MOBILE[3:]):
        assert secret not in text


async def counts_messages(port: int) -> bool:
    text = await asyncio.to_thread(fetch, port, "/metrics")
    return 'diwan_notification_messages_total{state="pending",template="code.sign_in"}' in text


def code_command() -> Any:
    content = identity.MessageContent(mobile=MOBILE, values={"code": CODE})
    return identity.SendMessage(template="code.sign_in", content=json_format.MessageToJson(content))
