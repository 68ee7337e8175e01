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


def park(
    broker: Broker,
    event_id: str,
    *,
    reason: str = "NOT_SENT",
    type_: str = "diwan.notification.v1.SubmitSms",
    time: str = "",
    body: bytes = b"",
    **fields: Any,
) -> None:
    """Park a command as the connector does."""
    attributes = {
        headers.ID: event_id,
        headers.TYPE: type_,
        headers.TIME: time,
        "diwan-user": "notification",
        "diwan-attempt": 6,
        "diwan-progress": "half",
        "diwan-reason": reason,
    }
    body = body or json.dumps({"messageId": event_id, "content": "sealed canary", **fields}).encode()
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
    """The reason is printed; a second discard has no further effect and is no error."""
    park(broker, "a")
    (row,) = json.loads(diwan("list", "sms", left=1).stdout)

    discarded = diwan("discard", "sms", row["parked_id"], "--reason", "sent by hand", left=0)
    again = diwan("discard", "sms", row["parked_id"], "--reason", "sent by hand", left=0)

    assert json.loads(discarded.stdout)["discarded"] == "sent by hand"
    assert (again.exit_code, again.stdout) == (0, "")
    assert "nothing to discard" in again.stderr
    assert take(broker, "operator", f"{QUEUE}.parked") == []


@pytest.mark.parametrize(
    "changed", [{"body": b"{"}, {"body": b"\xff"}, {"type_": "diwan.notification.v1.Unknown"}, {"type_": ""}]
)
def test_an_unreadable_message_is_not_replayed(broker: Broker, diwan: Diwan, changed: Any) -> None:
    """The command fails and the message stays; it can be discarded."""
    park(broker, "a", **changed)
    (row,) = json.loads(diwan("list", "sms", left=1).stdout)

    refused = diwan("replay", "sms", row["parked_id"], left=1)
    discarded = diwan("discard", "sms", row["parked_id"], "--reason", "broken", left=0)

    assert refused.exit_code == 1
    assert "cannot be read" in refused.stderr
    assert discarded.exit_code == 0
    assert take(broker, "sms", QUEUE) == []


def test_a_filter_selects_by_reason_type_queue_and_time(broker: Broker, diwan: Diwan) -> None:
    """All conditions must hold; the details of a reason are not compared."""
    park(broker, "a", reason="NOT_SENT", time="2024-03-01T09:00:00Z")
    park(broker, "b", reason="NOT_SENT: bound", time="2024-03-02T09:00:00Z")
    park(
        broker, "c", reason="TIMEOUT", time="2024-03-03T09:00:00Z", type_="diwan.notification.v1.SmsSubmitted"
    )
    park(broker, "d", reason="NOT_SENT_AT_ALL", time="no time")

    def listed(*options: str) -> list[str]:
        return [row["event_id"] for row in json.loads(diwan("list", "sms", *options, left=4).stdout)]

    assert listed("--reason-is", "NOT_SENT") == ["a", "b"]
    assert listed("--type", "diwan.notification.v1.SmsSubmitted") == ["c"]
    assert listed("--queue", QUEUE) == ["a", "b", "c", "d"]
    assert listed("--queue", "sms.other") == []
    assert listed("--since", "2024-03-02T11:00:00+02:00", "--before", "2024-03-03T09:00:00Z") == ["b"]
    assert listed("--before", "2d") == ["a", "b", "c"]
    assert listed("--since", "2d") == []
    assert diwan("list", "sms", "--before", "yesterday", left=4).exit_code == 2
    assert diwan("list", "sms", "--policy", "count", left=4).exit_code == 2


def test_a_bulk_replay_handles_what_matches(broker: Broker, diwan: Diwan) -> None:
    """A dry run changes nothing; refused messages stay, are named, and make the command fail."""
    park(broker, "a")
    park(broker, "b", once=True)
    park(broker, "c", body=b"{")
    park(broker, "d")
    park(broker, "e", reason="TIMEOUT")
    options = ("replay-all", "sms", "--reason-is", "NOT_SENT", "--rate", "100")

    dry = diwan(*options, left=5)
    done = diwan(*options, "--yes", left=3)

    assert dry.exit_code == 0
    assert "nothing was changed" in dry.stderr
    outcomes = [row["outcome"] for row in json.loads(done.stdout)]
    assert [row["outcome"] for row in json.loads(dry.stdout)] == [
        "would be replayed",
        *outcomes[1:3],
        "would be replayed",
    ]
    assert outcomes[0] == outcomes[3] == "replayed"
    assert "never submitted twice" in outcomes[1]
    assert "cannot be read" in outcomes[2]
    assert (done.exit_code, "2 replayed, 2 not" in done.stderr) == (1, True)
    assert [message[headers.ID] for _, message in take(broker, "sms", QUEUE)] == ["a", "d"]


def test_a_bulk_discard_handles_at_most_its_limit(broker: Broker, diwan: Diwan) -> None:
    """The next call continues with the rest; one that finds nothing is no error."""
    for number in range(5):
        park(broker, str(number))
    options = ("discard-all", "sms", "--reason", "obsolete", "--limit", "3", "--rate", "100")

    dry = diwan(*options, left=5)
    first = diwan(*options, "--yes", left=2)
    second = diwan(*options, "--yes", left=0)
    third = diwan(*options, "--yes", left=0)

    assert [each.exit_code for each in (dry, first, second, third)] == [0, 0, 0, 0]
    assert [len(json.loads(each.stdout)) for each in (dry, first, second, third)] == [3, 3, 2, 0]
    assert "more match" in first.stderr
    assert "more match" not in second.stderr


def test_bulk_commands_keep_to_their_rate(broker: Broker, diwan: Diwan, monkeypatch: Any) -> None:
    """They pause after each message; a dry run does not."""
    pauses: list[float] = []
    monkeypatch.setattr("diwanctl.parked_bulk.time.sleep", pauses.append)
    for number in range(3):
        park(broker, str(number))

    diwan("replay-all", "sms", "--rate", "4", left=3)
    assert pauses == []
    diwan("replay-all", "sms", "--rate", "4", "--yes", left=0)

    assert pauses[:3] == [0.25] * 3
