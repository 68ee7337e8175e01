"""The SMS connector with a real broker and a sandbox SMSC, each in its own process."""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from chassis.key_ring import KeyRing
from diwan.notification.v1 import sms_pb2
from testkit.broker import Broker
from testkit.connectors import Program, Side, http, metric, read_json, running, take
from testkit.keys import make_keys
from testkit.ports import free_port

pytestmark = pytest.mark.real


@dataclass
class Operator:
    """The mobile operator: its SMSC and the phones."""

    program: Program
    port: int
    http_port: int
    accepted_before: int = 0

    def inbox(self, mobile: str) -> list[dict[str, Any]]:
        """Return the messages on a phone."""
        messages: list[dict[str, Any]] = read_json(f"{self._url}/phones/{mobile.lstrip('+')}/messages")
        return messages

    def incomplete(self, mobile: str) -> list[dict[str, Any]]:
        """Return the texts on a phone that lack parts."""
        texts: list[dict[str, Any]] = read_json(f"{self._url}/phones/{mobile.lstrip('+')}/incomplete")
        return texts

    def dialect(self, **dialect: Any) -> None:
        """Set the form of ids and receipts; the defaults for what is not given."""
        assert http("POST", f"{self._url}/dialect", json.dumps(dialect).encode())[0] == 200

    def faults(self, **faults: Any) -> None:
        """Set faults of the SMSC."""
        assert http("POST", f"{self._url}/faults", json.dumps(faults).encode())[0] == 200

    @property
    def accepted(self) -> int:
        """Parts that the SMSC accepted since the start of the test."""
        return self.accepted_total - self.accepted_before

    @property
    def accepted_total(self) -> int:
        """Parts that the SMSC accepted since its start."""
        return int(read_json(f"{self._url}/submits")["taken"])

    @property
    def _url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"


@dataclass
class Sms:
    """The connector with its service side and operator. `mobile` is a number used only by this test."""

    side: Side
    operator: Operator
    connector: Program
    http_port: int
    mobile: str

    def submit(
        self,
        text: str,
        *,
        once: bool = False,
        expire_time: str = "",
        reference: int | None = None,
        **attributes: Any,
    ) -> str:
        """Publish notification's command to send a text to the phone; return the message id."""
        message_id = str(uuid.uuid4())
        reference = uuid.uuid4().int % 0x10000 if reference is None else reference
        content = json.dumps(
            {"mobile": self.mobile, "text": text, "reference": reference}, ensure_ascii=False
        )
        self.side.publish(
            sms_pb2.SubmitSms(message_id=message_id, once=once, expire_time=expire_time, content=content),
            **attributes,
        )
        return message_id

    def metric(self, line: str) -> float:
        """Return the value of one line of the connector's metrics."""
        return metric(f"http://127.0.0.1:{self.http_port}/metrics", line)


@pytest.fixture(scope="session")
def broker_node(own_broker: Broker) -> Broker:
    """Return a broker of this folder, because a test stops it."""
    return own_broker


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """A sandbox SMSC."""
    port, http_port = free_port(), free_port()
    arguments = ["-m", "sandbox.smsc", "--port", str(port), "--http-port", str(http_port)]
    arguments += ["--system-id", "diwan", "--password", "secret", "--receipt-delay", "0.05"]
    log = tmp_path_factory.mktemp("smsc") / "smsc.log"
    program = Program(arguments, {}, f"http://127.0.0.1:{http_port}/healthz", log)
    with running(program):
        yield Operator(program, port, http_port)


@pytest.fixture(scope="module")
def connector_settings() -> dict[str, str]:
    """Further settings of the connector; a module may replace them."""
    return {}


@pytest.fixture(scope="module")
def scene(
    broker_node: Broker,
    operator: Operator,
    connector_settings: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Sms]:
    """The connector, bound and consuming; shared by the tests of a module, because a start takes seconds."""
    folder = tmp_path_factory.mktemp("sms")
    make_keys(folder / "keys", ["notification", "sms"])
    http_port = free_port()
    environment = {
        "SMS_BROKER_URI": broker_node.uri("sms"),
        "SMS_KEYS_DIR": str(folder / "keys" / "sms"),
        "SMS_HTTP_LISTEN": f"127.0.0.1:{http_port}",
        "SMS_SMSC_HOST": "127.0.0.1",
        "SMS_SMSC_PORT": str(operator.port),
        "SMS_SMSC_SYSTEM_ID": "diwan",
        "SMS_SMSC_PASSWORD": "secret",
        "SMS_ANSWER_SECONDS": "3",
        **connector_settings,
    }
    ready = f"http://127.0.0.1:{http_port}/readyz"
    program = Program(["-m", "notification.connectors.sms"], environment, ready, folder / "sms.log")
    keys = KeyRing("notification", folder / "keys" / "notification")
    side = Side(broker_node, keys, "notification", "notification.sms.message")
    with running(program):
        yield Sms(side, operator, program, http_port, "")


@pytest.fixture
def sms(scene: Sms, broker: Broker) -> Sms:
    """The shared connector with a new mobile number, all programs running, and no faults."""
    operator = scene.operator
    for program in (operator.program, scene.connector):
        if not program.alive:
            program.start()
    scene.connector.wait_ready()
    operator.dialect()
    operator.faults(
        throttle=0,
        throttle_at=0,
        silent=0,
        drop_after_submit=0,
        receipt_first=0,
        refuse=[],
        undeliverable=[],
    )
    take(broker, "operator", "sms.notification.message.parked")
    operator.accepted_before = operator.accepted_total
    return replace(scene, mobile=f"+2010{uuid.uuid4().int % 10**8:08}")
