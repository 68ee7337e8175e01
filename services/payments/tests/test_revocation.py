"""Identity's revocations reach every API process: one process with all roles, and processes with single roles."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pymongo
import pytest
import pytest_asyncio
from chassis.caller import Caller, Kind
from chassis.rpc.client import connect, failure_of
from chassis.service import KEPT_KEYS
from chassis.times import timestamp
from chassis.tokens import generate_key, public_jwks
from diwan.identity.v1 import events_pb2
from diwan.payments.v1 import payments_pb2 as pb
from diwan.payments.v1 import payments_pb2_grpc
from grpc import RpcError
from testkit.broker import Broker
from testkit.keys import make_keys
from testkit.ports import free_port
from testkit.service import PATIENCE_SECONDS, Trial, eventually

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]

ACCEPTED = ("NOT_FOUND", "PAYMENT_NOT_FOUND")
REVOKED = ("UNAUTHENTICATED", "TOKEN_REVOKED")


def uid() -> str:
    return str(uuid.uuid4())


@dataclass
class Process:
    """`python -m payments` with some roles, on ports of its own."""

    environment: dict[str, str]
    roles: tuple[str, ...]

    def __post_init__(self) -> None:
        self.rpc, self.http = free_port(), free_port()

    def start(self) -> None:
        ports = {
            "PAYMENTS_GRPC_LISTEN": f"127.0.0.1:{self.rpc}",
            "PAYMENTS_HTTP_LISTEN": f"127.0.0.1:{self.http}",
        }
        roles = [f"--only={role}" for role in self.roles]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "payments", *roles],
            env=self.environment | ports,
            stdout=subprocess.DEVNULL,
        )

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(timeout=60)

    async def ready(self) -> None:
        await eventually(lambda: asyncio.to_thread(self._is_ready))

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/readyz", timeout=10) as response:
                return bool(json.load(response)["ready"])
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False


@dataclass
class Split:
    """Payments as on a cluster: an API process, and a process with policies and relay."""

    api: Process
    policies: Process
    trial: Trial

    async def outcome(self, session: str) -> tuple[str, str]:
        """Return code and reason of a citizen's call in a session."""
        return await outcome(self.trial, session)

    async def revoke(self, session: str) -> None:
        await self.trial.publish("identity", revocation(session), subject=session)


def revocation(session: str = "", subject: str = "") -> events_pb2.AccessRevoked:
    now = datetime.now(UTC)
    return events_pb2.AccessRevoked(
        session_id=session,
        subject_id=subject,
        revoke_time=timestamp(
            now + timedelta(minutes=1)
        ),  # covers the tokens of the test, which are issued later
        expire_time=timestamp(now + timedelta(minutes=16)),
        reason=events_pb2.REVOCATION_REASON_SIGNED_OUT,
    )


async def outcome(trial: Trial, session: str, account: str = "") -> tuple[str, str]:
    """Return code and reason of a citizen's call, which names no payment that exists."""
    caller = Caller(kind=Kind.CITIZEN, id=account or uid(), channel="portal", session=session)
    api = payments_pb2_grpc.PaymentServiceStub(trial.channel)
    request = pb.GetPaymentRequest(payment_id=uid())
    with pytest.raises(RpcError) as raised:
        await api.GetPayment(request, metadata=trial.bearer(caller), timeout=30, wait_for_ready=True)
    failure = failure_of(raised.value)
    return failure.code, failure.reason


async def becomes(trial: Trial, wanted: tuple[str, str], **who: str) -> None:
    async def reached() -> bool:
        return await outcome(trial, **who) == wanted

    await eventually(reached)


# Used by the first test only: the fixture `trial` of the second would read the same queue.
@pytest_asyncio.fixture(loop_scope="module")
async def split(broker_node: Broker, store_uri: str, tmp_path: Path) -> AsyncIterator[Split]:
    broker_node.purge()
    make_keys(tmp_path / "keys", broker_node.topology.users)
    signing, database = generate_key(), f"test_{uuid.uuid4().hex[:12]}"
    (tmp_path / KEPT_KEYS).write_text(public_jwks([signing]), encoding="utf-8")
    environment = {
        **os.environ,
        "PAYMENTS_BROKER_URI": broker_node.uri("payments"),
        "PAYMENTS_STORE_URI": store_uri,
        "PAYMENTS_STORE_DATABASE": database,
        "PAYMENTS_KEYS_DIR": str(tmp_path / "keys" / "payments"),
        "PAYMENTS_STATE_DIR": str(tmp_path),
        "PAYMENTS_IDENTITY_TARGET": "127.0.0.1:9",
    }
    api, policies = Process(environment, ("api",)), Process(environment, ("policies", "relay"))
    for process in (api, policies):
        process.start()
    trial = Trial(
        name="payments",
        broker=broker_node,
        keys=tmp_path / "keys",
        signing=signing,
        env=None,  # type: ignore[arg-type] -- of a service in this process
        components=[],
        channel=connect(f"127.0.0.1:{api.rpc}", deadline_seconds=PATIENCE_SECONDS),
        sent={},
    )
    await asyncio.gather(api.ready(), policies.ready())
    yield Split(api, policies, trial)
    await trial.channel.close()
    for process in (api, policies):
        process.kill()
    for connection in trial.sent.values():
        connection.close()
    with pymongo.MongoClient[dict[str, Any]](store_uri) as client:
        client.drop_database(database)


async def test_a_revocation_reaches_the_api_of_split_roles(split: Split) -> None:
    """The API has no connection to the broker. Neither kill -9 of the policies nor of the API loses a revocation."""
    first, second, other = uid(), uid(), uid()
    assert await split.outcome(first) == await split.outcome(second) == ACCEPTED

    await split.revoke(first)
    await becomes(split.trial, REVOKED, session=first)

    split.policies.kill()
    await split.revoke(second)
    assert await split.outcome(second) == ACCEPTED
    split.policies.start()
    await becomes(split.trial, REVOKED, session=second)

    split.api.kill()
    split.api.start()
    assert await split.outcome(first) == await split.outcome(second) == REVOKED
    assert await split.outcome(other) == ACCEPTED


async def test_a_revocation_reaches_a_process_with_all_roles(trial: Trial) -> None:
    """Of one session, and of all sessions of an account; one that has expired before it arrives changes nothing."""
    session, account = uid(), uid()
    expired = revocation(session=uid())
    expired.expire_time.FromDatetime(datetime.now(UTC) - timedelta(seconds=1))

    await trial.publish("identity", expired)
    await trial.publish("identity", revocation(session=session))
    await trial.publish("identity", revocation(subject=account))

    await becomes(trial, REVOKED, session=session)
    await becomes(trial, REVOKED, session=uid(), account=account)
    assert await outcome(trial, expired.session_id) == ACCEPTED
    assert await outcome(trial, uid()) == ACCEPTED
