"""What connectors parked, by the command line, on a real broker."""

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
    """Runs `diwan parked …` as the operator; `left` is how many lie there again once it has let go of them."""
    place = pika.URLParameters(broker.uri("operator"))
    (tmp_path / "password").write_text(place.credentials.password + "\n")
    told = {"host": place.host, "port": place.port, "vhost": place.virtual_host, "password_file": "password"}
    config = {"targets": {}, "client": "operator", "key": "none.jwk", "broker": told}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    take(broker, "operator", f"{QUEUE}.parked")

    def lie() -> int:
        with broker.connect("operator") as connection:
            count: int = (
                connection.channel().queue_declare(f"{QUEUE}.parked", passive=True).method.message_count
            )
            return count

    def run(*words: str, left: int) -> Result:
        result = CliRunner().invoke(
            main, ["--json", "--config", str(tmp_path / "config.yaml"), "parked", *words]
        )
        # The broker gives back what a connection held a moment after that has closed.
        eventually(lambda: lie() == left)
        return result

    return run


def park(broker: Broker, event_id: str, **fields: Any) -> None:
    """Park a text as the connector does."""
    told = {
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
        properties = pika.BasicProperties(user_id="sms", headers=told, message_id=event_id)
        channel.basic_publish("sms.retry", f"{QUEUE}.parked", body, properties, mandatory=True)


def test_every_queue_that_parks_is_known(broker: Broker) -> None:
    """The command line knows the queues of the platform table."""
    parking = {queue.name for queue in broker.topology.queues if queue.retry}

    assert {name for names in CONNECTORS.values() for name in names} == parking


def test_looking_takes_nothing_away(broker: Broker, diwan: Diwan) -> None:
    """List and show tell why, with sealed fields masked, as often as one likes."""
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


def test_replay_gives_it_to_the_connector_anew(broker: Broker, diwan: Diwan) -> None:
    """The one message goes back to its queue with all its tries and its progress; the others stay."""
    park(broker, "a")
    park(broker, "b")
    rows = json.loads(diwan("list", "sms", left=2).stdout)

    assert diwan("replay", "sms", rows[1]["parked_id"], left=1).exit_code == 0

    ((_, told),) = take(broker, "sms", QUEUE)
    assert (told[headers.ID], told["user_id"], told["diwan-user"]) == ("b", "operator", "notification")
    assert (told["diwan-attempt"], told["diwan-progress"]) == (0, "half")
    assert [told[headers.ID] for _, told in take(broker, "operator", f"{QUEUE}.parked")] == ["a"]


def test_a_code_is_not_replayed(broker: Broker, diwan: Diwan) -> None:
    """A one-time code stays where it is."""
    park(broker, "a", once=True)
    (row,) = json.loads(diwan("list", "sms", left=1).stdout)

    refused = diwan("replay", "sms", row["parked_id"], left=1)

    assert refused.exit_code == 1
    assert "never submitted twice" in refused.stderr
    assert len(take(broker, "operator", f"{QUEUE}.parked")) == 1
    assert take(broker, "sms", QUEUE) == []


def test_discard_takes_one_away(broker: Broker, diwan: Diwan) -> None:
    """Given up for good, with the reason told; one that is not there is an error."""
    park(broker, "a")
    (row,) = json.loads(diwan("list", "sms", left=1).stdout)

    done = diwan("discard", "sms", row["parked_id"], "--reason", "sent by hand", left=0)
    again = diwan("discard", "sms", row["parked_id"], "--reason", "sent by hand", left=0)

    assert json.loads(done.stdout)["discarded"] == "sent by hand"
    assert again.exit_code == 1
    assert take(broker, "operator", f"{QUEUE}.parked") == []
