"""The acquirer connector with a real broker and a sandbox acquirer, each in its own process."""

import hashlib
import hmac
import json
import secrets
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from chassis.key_ring import KeyRing
from diwan.payments.v1 import acquirer_pb2
from google.type.money_pb2 import Money
from testkit.broker import Broker
from testkit.connectors import Program, Side, http, metric, running, take
from testkit.keys import make_keys
from testkit.ports import free_port

API_KEY = "key-of-this-test"


@dataclass
class Acquiring:
    """The connector with its service side and acquirer."""

    side: Side
    connector: Program
    acquirer: Program
    connector_url: str
    callbacks_url: str
    acquirer_url: str
    key: bytes

    def charge(
        self,
        card_token: str = "tok_ok",
        piastres: int = 5050,
        charge_id: str = "",
        expire_time: str = "",
        **attributes: Any,
    ) -> str:
        """Publish payments' command for a charge; return the charge id."""
        charge_id = charge_id or str(uuid.uuid4())
        self.side.publish(
            acquirer_pb2.RequestCharge(
                charge_id=charge_id,
                payment_id=f"payment-{charge_id[:8]}",
                amount=Money(currency_code="EGP", units=piastres // 100, nanos=piastres % 100 * 10_000_000),
                card=json.dumps({"cardToken": card_token}),
                expire_time=expire_time,
            ),
            **attributes,
        )
        return charge_id

    def inquire(self, charge_id: str) -> None:
        """Publish payments' command to inquire about a charge."""
        self.side.publish(
            acquirer_pb2.InquireCharge(charge_id=charge_id, payment_id=f"payment-{charge_id[:8]}")
        )

    def signed(self, body: bytes, *, at: float | None = None, key: bytes | None = None) -> dict[str, str]:
        """Return the headers of a callback, valid by default."""
        timestamp = str(int(time.time() if at is None else at))
        signature = hmac.new(key or self.key, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
        return {"Acquirer-Timestamp": timestamp, "Acquirer-Signature": f"v1={signature}"}

    def call_back(self, body: bytes, headers: dict[str, str]) -> int:
        """Send a callback to the connector; return the HTTP status."""
        return http("POST", self.callbacks_url, body, headers)[0]

    def faults(self, **faults: int) -> None:
        """Set faults of the acquirer."""
        assert http("POST", f"{self.acquirer_url}/faults", json.dumps(faults).encode())[0] == 200

    def metric(self, line: str) -> float:
        """Return the value of one line of the connector's metrics."""
        return metric(f"{self.connector_url}/metrics", line)


def settled(charge_id: str, **changed: Any) -> bytes:
    """Return the body of a callback for a settled charge."""
    charge = {
        "id": charge_id,
        "reference": "ACQ-1",
        "amount": {"currency": "EGP", "minor_units": 5050},
        "state": "settled",
        "metadata": {"payment_id": "payment-1"},
        **changed,
    }
    return json.dumps({"type": f"charge.{charge['state']}", "charge": charge}).encode()


@pytest.fixture(scope="session")
def broker_node(own_broker: Broker) -> Broker:
    """Return a broker of this folder, because a test stops it."""
    return own_broker


@pytest.fixture(scope="module")
def acquiring_scene(broker_node: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Acquiring]:
    """Connector and acquirer, running; shared by the tests of a module, because a start takes seconds."""
    folder = tmp_path_factory.mktemp("acquirer")
    make_keys(folder / "keys", ["payments", "acquirer"])
    key_file: Path = folder / "keys" / "acquirer" / "callback.key"
    key_file.write_text(secrets.token_hex(32))
    ports = free_port(), free_port(), free_port()
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    arguments = ["-m", "sandbox.acquirer", "--port", str(ports[1]), "--api-key", API_KEY, "--delay", "0.05"]
    arguments += ["--callback-url", f"{urls[2]}/callbacks", "--callback-key-file", str(key_file)]
    environment = {
        "ACQUIRER_BROKER_URI": broker_node.uri("acquirer"),
        "ACQUIRER_KEYS_DIR": str(folder / "keys" / "acquirer"),
        "ACQUIRER_HTTP_LISTEN": f"127.0.0.1:{ports[0]}",
        "ACQUIRER_CALLBACKS_LISTEN": f"127.0.0.1:{ports[2]}",
        "ACQUIRER_API_URL": urls[1],
        "ACQUIRER_API_KEY": API_KEY,
        "ACQUIRER_ANSWER_SECONDS": "1",
    }
    acquirer = Program(arguments, {}, f"{urls[1]}/healthz", folder / "sandbox.log")
    module = ["-m", "payments.connectors.acquirer"]
    connector = Program(module, environment, f"{urls[0]}/readyz", folder / "connector.log")
    side = Side(
        broker_node, KeyRing("payments", folder / "keys" / "payments"), "payments", "payments.acquirer.charge"
    )
    with running(acquirer), running(connector):
        key = bytes.fromhex(key_file.read_text())
        yield Acquiring(side, connector, acquirer, urls[0], f"{urls[2]}/callbacks", urls[1], key)


@pytest.fixture
def acquiring(acquiring_scene: Acquiring, broker: Broker) -> Acquiring:
    """The shared connector and acquirer, both running, without faults."""
    for program in (acquiring_scene.acquirer, acquiring_scene.connector):
        if not program.alive:
            program.start()
    acquiring_scene.connector.wait_ready()
    acquiring_scene.faults(fail=0, hang=0)
    for queue in ("charge", "inquiry"):
        take(broker, "operator", f"acquirer.payments.{queue}.parked")
    return acquiring_scene
