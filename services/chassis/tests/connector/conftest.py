"""A test connector with a real broker and a service's side."""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from chassis.key_ring import KeyRing
from diwan.notification.v1 import sms_pb2
from testkit.broker import Broker
from testkit.connectors import Program, Side, running, take
from testkit.keys import make_keys
from testkit.ports import free_port


@dataclass
class Scene:
    side: Side
    program: Program
    url: str

    def request(self, verb: str, *, user: str = "", **attributes: str) -> str:
        """Publish a command with this text; return the message id."""
        message_id = str(uuid.uuid4())
        content = json.dumps({"mobile": "+201012345678", "text": verb})
        self.side.publish(sms_pb2.SubmitSms(message_id=message_id, content=content), user=user, **attributes)
        return message_id


@pytest.fixture(scope="module")
def running_scene(broker_node: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("worker")
    make_keys(folder / "keys", ["notification", "sms"])
    port = free_port()
    environment = {
        "WORKER_BROKER_URI": broker_node.uri("sms"),
        "WORKER_KEYS_DIR": str(folder / "keys" / "sms"),
        "WORKER_HTTP_LISTEN": f"127.0.0.1:{port}",
        "WORKER_RETRY_STEPS": "1",
        # No collector listens there: telemetry must not delay the connector.
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{free_port()}",
    }
    worker = str(Path(__file__).parent / "worker.py")
    program = Program([worker], environment, f"http://127.0.0.1:{port}/readyz", folder / "worker.log")
    keys = KeyRing("notification", folder / "keys" / "notification")
    with running(program):
        yield Scene(
            Side(broker_node, keys, "notification", "notification.sms.message"),
            program,
            f"http://127.0.0.1:{port}",
        )


@pytest.fixture
def scene(running_scene: Scene, broker: Broker) -> Scene:
    if not running_scene.program.alive:
        running_scene.program.start()
    running_scene.program.wait_ready()
    take(broker, "operator", "sms.notification.message.parked")
    return running_scene
