"""`diwan parked` for connectors, on a real broker."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pika
import pytest
import yaml
from chassis.messaging import headers
from click.testing import CliRunner, Result
from diwanctl.main import main
from diwanctl.parked_queues import CONNECTORS
from testkit.broker import Broker
from testkit.connectors import eventually, take

pytestmark = pytest.mark.real

QUEUE = "sms.notification.message"
Diwan = Callable[..., Result]


@pytest.fixture
def diwan(broker: Broker, tmp_path: Path) -> Diwan:
    """Return a function that runs `diwan parked …` as the operator and waits until `left` messages are parked."""
    uri = pika.URLParameters(broker.uri("operator"))
    (tmp_path / "password").write_text(uri.credentials.password + "\n")
    address = {"host": uri.host, "port": uri.port, "vhost": uri.virtual_host, "password_file": "password"}
    config = {"targets": {}, "client": "operator", "key": "none.jwk", "broker": address}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    take(broker, "operator", f"{QUEUE}.parked")

    def count_parked() -> int:
        with broker.connect("operator") as connection:
            count: int = (
                connection.channel().queue_declare(f"{QUEUE}.parked", passive=True).method.message_count
            )
            return count

    def run(*arguments: str, left: int) -> Result:
        result = CliRunner().invoke(
            main, ["--json", "--config", str(tmp_path / "config.yaml"), "parked", *arguments]
        )
        # The broker requeues the unacknowledged messages shortly after the connection has closed.
        eventually(lambda: count_parked() == left)
        return result

    return run


def park(broker: Broker, event_id: str, **fields: Any) -> None:
    """Park a command as the connector does."""
    attributes = {
        headers.ID: event_id,
        headers.TYPE: "diwan.notification.v1.SubmitSms",
        "diwan-user": "notification",
        "diwan-attempt": 6,
        "diwan-progress": "half",
        "diwan-reason": "NOT_SENT",
    }
    body = json.dumps({"messageId": event_id, "content": "sealed canary", **fields}).encode()
    with broker.connect("sms") as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        properties = pika.BasicProperties(user_id="sms", headers=attributes, message_id=event_id)
        channel.basic_publish("sms.retry", f"{QUEUE}.parked", body, properties, mandatory=True)


def test_every_queue_with_parked_messages_is_listed(broker: Broker) -> None:
    """The command line has its own list; the platform table is the source."""
    queues = {queue.name for queue in broker.topology.queues if queue.retry}

    assert {name for names in CONNECTORS.values() for name in names} == queues


def test_list_and_show_remove_nothing(broker: Broker, diwan: Diwan) -> None:
    """Both print the reason and mask sealed fields, at every call."""
    park(broker, "a")
    park(broker, "b")

    first, second = (json.loads(diwan("list", "sms", left=2).stdout) for _ in range(2))
    shown = diwan("show", "sms", first[0]["parked_id"], left=2)

    assert first == second
    assert [(row["event_id"], row["reason"], row["attempts"]) for row in first] == [
        ("a", "NOT_SENT", 6),
        ("b", "NOT_SENT", 6),
    ]
    assert json.loads(shown.stdout)["masked_body"] == {"message_id": "a", "content": "***"}
    assert len(take(broker, "operator", f"{QUEUE}.parked")) == 2


def test_replay_returns_a_message_to_the_connector(broker: Broker, diwan: Diwan) -> None:
    """The message is in its queue with its progress and a new count of attempts; the others stay parked."""
    park(broker, "a")
    park(broker, "b")
    rows = json.loads(diwan("list", "sms", left=2).stdout)

    assert diwan("replay", "sms", rows[1]["parked_id"], left=1).exit_code == 0

    ((_, replayed),) = take(broker, "sms", QUEUE)
    assert (replayed[headers.ID], replayed["user_id"], replayed["diwan-user"]) == (
        "b",
        "operator",
        "notification",
    )
    assert (replayed["diwan-attempt"], replayed["diwan-progress"]) == (0, "half")
    assert [parked[headers.ID] for _, parked in take(broker, "operator", f"{QUEUE}.parked")] == ["a"]


def test_a_code_is_not_replayed(broker: Broker, diwan: Diwan) -> None:
    """A one-time code stays parked."""
    park(broker, "a", once=True)
    (row,) = json.loads(diwan("list", "sms", left=1).stdout)

    refused = diwan("replay", "sms", row["parked_id"], left=1)

    assert refused.exit_code == 1
    assert "never submitted twice" in refused.stderr
    assert len(take(broker, "operator", f"{QUEUE}.parked")) == 1
    assert take(broker, "sms", QUEUE) == []


def test_discard_removes_one_message(broker: Broker, diwan: Diwan) -> None:
    """The reason is recorded; a message that does not exist is an error."""
    park(broker, "a")
    (row,) = json.loads(diwan("list", "sms", left=1).stdout)

    discarded = diwan("discard", "sms", row["parked_id"], "--reason", "sent by hand", left=0)
    again = diwan("discard", "sms", row["parked_id"], "--reason", "sent by hand", left=0)

    assert json.loads(discarded.stdout)["discarded"] == "sent by hand"
    assert again.exit_code == 1
    assert take(broker, "operator", f"{QUEUE}.parked") == []
