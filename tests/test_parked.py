"""`diwan parked` on a running service: filters, bulk commands and exit statuses."""

import json
import uuid

import pika
import pytest
from chassis.messaging import headers
from chassis.times import format_time, utc_now
from click.testing import CliRunner
from diwanctl.main import main
from testkit.connectors import eventually

TYPE = "diwan.registry.v1.PersonRegistered"


@pytest.fixture
def diwan(environment):
    """Return a function that runs `diwan --json parked …`."""

    def run(*arguments):
        config = ("--json", "--config", str(environment.operator_config))
        return CliRunner().invoke(main, [*config, "parked", *arguments])

    return run


@pytest.fixture
def broken(stack, diwan):
    """Publish messages that identity cannot read, and wait until they are parked; none is left afterwards."""

    def send(number, kind=TYPE):
        credentials = pika.PlainCredentials("registry", stack.layout.password("registry"))
        address = pika.ConnectionParameters("127.0.0.1", stack.layout.ports()["broker"], "diwan", credentials)
        with pika.BlockingConnection(address) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            for _ in range(number):
                attributes = {
                    headers.ID: str(uuid.uuid4()),
                    headers.SOURCE: "diwan/registry",
                    headers.TYPE: kind,
                    headers.SPECVERSION: "1.0",
                    headers.TIME: format_time(utc_now()),
                    headers.SUBJECT: "subject",
                    headers.SEQUENCE: "1",
                }
                properties = pika.BasicProperties(user_id="registry", headers=attributes, delivery_mode=2)
                channel.basic_publish(
                    "registry.events", "person.registered.v1", b"{", properties, mandatory=True
                )
        eventually(lambda: len(listed(diwan, "--type", kind)) >= number)

    yield send
    diwan("discard-all", "identity", "--reason", "end of test", "--rate", "100", "--yes")


def listed(diwan, *options):
    return json.loads(diwan("list", "identity", *options).stdout)


def test_an_unreadable_message_is_refused_and_discarded_once(broken, diwan):
    """Its replay fails, its first discard removes it, its second one is no error; it was listed by reason and age."""
    broken(1)
    (row,) = listed(diwan, "--reason-is", "BODY", "--since", "1h")

    replayed = diwan("replay", "identity", row["parked_id"])
    discards = [diwan("discard", "identity", row["parked_id"], "--reason", "broken") for _ in range(2)]

    assert replayed.exit_code == 1
    assert "PARKED_UNREADABLE" in replayed.stderr
    assert [each.exit_code for each in discards] == [0, 0]
    assert "nothing to discard" in discards[1].stderr
    assert listed(diwan) == []


def test_bulk_commands_handle_what_matches(broken, diwan):
    """A dry run changes nothing; a replay names what it refuses and fails; a discard keeps to its limit."""
    broken(3)
    broken(1, kind="diwan.registry.v1.Unknown")
    options = ("identity", "--type", TYPE, "--rate", "100")

    replayed = [diwan("replay-all", *options, *more) for more in ((), ("--yes",))]
    dry = diwan("discard-all", *options, "--reason", "broken")
    assert len(listed(diwan)) == 4
    discarded = diwan("discard-all", *options, "--reason", "broken", "--limit", "2", "--yes")

    assert [each.exit_code for each in (*replayed, dry, discarded)] == [0, 1, 0, 0]
    assert all("PARKED_UNREADABLE" in row["outcome"] for row in json.loads(replayed[1].stdout))
    assert [len(json.loads(each.stdout)) for each in (*replayed, dry, discarded)] == [3, 3, 3, 2]
    assert "more match" in discarded.stderr
    assert [row["type"] for row in listed(diwan, "--before", "0s", "--policy", "refused")].count(TYPE) == 1


def test_an_unknown_service_is_named(diwan):
    """Its error is one line, and no message is reported as handled."""
    failed = diwan("replay-all", "notaries", "--yes")

    assert (failed.exit_code, failed.stdout) == (1, "")
    assert "notaries" in failed.stderr
