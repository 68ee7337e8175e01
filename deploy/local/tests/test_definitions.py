"""The broker's definitions, and the permissions that follow from the platform table, on a real broker."""

import json
import re
from pathlib import Path

import pika
import pytest
from chassis.messaging.names import parked_queue
from pika.exceptions import AMQPChannelError, ChannelClosedByBroker
from platform_table import broker as definitions
from platform_table.load import platform
from testkit.broker import Broker


def test_a_password_hash_depends_on_password_and_salt() -> None:
    """RabbitMQ's format is base64 of the salt and the SHA-256 of salt and password."""
    assert definitions.password_hash("test12", bytes.fromhex("908dc60a")) == (
        "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"
    )


def test_the_command_renders_definitions_from_password_files(tmp_path: Path) -> None:
    """The definitions contain no password in plain text."""
    users = platform().users
    passwords = tmp_path / "passwords"
    passwords.mkdir()
    for user in users:
        (passwords / user).write_text(f"word-{user}\n")

    definitions.main(["--passwords", str(passwords), "--out", str(tmp_path / "definitions.json")])

    text = (tmp_path / "definitions.json").read_text()
    assert {user["name"] for user in json.loads(text)["users"]} == set(users)
    assert "word-" not in text


@pytest.mark.real
def test_a_user_publishes_only_on_its_own_exchanges(broker: Broker) -> None:
    """The broker also refuses a message with the name of another user."""
    with broker.connect("payments") as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_publish("payments.events", "payment.settled.v1", b"{}")
        with pytest.raises(ChannelClosedByBroker) as foreign:
            channel.basic_publish("notary.events", "power_of_attorney.approved.v1", b"{}")
        channel = connection.channel()
        channel.confirm_delivery()
        with pytest.raises(ChannelClosedByBroker) as forged:
            channel.basic_publish("payments.events", "x", b"{}", pika.BasicProperties(user_id="notary"))

    assert foreign.value.reply_code == 403
    assert forged.value.reply_code == 406


@pytest.mark.real
def test_a_user_reads_its_own_queues_and_configures_nothing(broker: Broker) -> None:
    """Reading the queue of another user and declaring queues or exchanges are refused."""
    with broker.connect("payments") as connection:
        for verb, name in (
            ("basic_get", "notary.payments.payment"),
            ("queue_declare", "payments.mine"),
            ("exchange_declare", "payments.mine"),
        ):
            with pytest.raises(AMQPChannelError) as error:
                getattr(connection.channel(), verb)(name)
            assert error.value.reply_code == 403
        assert connection.channel().basic_get("payments.payments.payment") == (None, None, None)


@pytest.mark.real
def test_a_requeued_message_stays(broker: Broker) -> None:
    """The queues of services have no delivery limit."""
    with broker.connect("payments") as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_publish("payments.events", "payment.settled.v1", b"kept", mandatory=True)

    with broker.connect("notary") as connection:
        channel = connection.channel()
        for _ in range(30):
            method, _, body = next(channel.consume("notary.payments.payment", inactivity_timeout=30))
            assert body == b"kept"
            channel.basic_nack(method.delivery_tag, requeue=True)


@pytest.mark.real
def test_a_retry_queue_returns_a_message(broker: Broker) -> None:
    """A message in the first retry queue of a connector is in the connector's queue after a second."""
    queue = "sms.notification.message"
    with broker.connect("sms") as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_publish("sms.retry", f"{queue}.retry.1", b"again", mandatory=True)

        method, _, body = next(channel.consume(queue, inactivity_timeout=30))

        assert body == b"again"
        assert method is not None
        channel.basic_ack(method.delivery_tag)
        channel.cancel()


@pytest.mark.real
def test_parked_messages_expire(broker: Broker) -> None:
    """Only parked queues have a limit of 14 days; all queues have a limit of length."""
    output = broker.node.evaluate(
        '[{element(4, amqqueue:get_name(Q)), rabbit_policy:get(<<"message-ttl">>, Q),'
        f' rabbit_policy:get(<<"max-length">>, Q)}} || Q <- rabbit_amqqueue:list(<<"{broker.topology.vhost}">>)].'
    )

    policies = re.findall(r'\{<<"([^"]+)">>,\s*(\w+),\s*(\w+)\}', output)
    assert {name for name, ttl, _ in policies if ttl != "undefined"} == {
        parked_queue(queue.name) for queue in broker.topology.queues if queue.retry
    }
    assert {ttl for _, ttl, _ in policies} == {"undefined", str(14 * 24 * 3600 * 1000)}
    assert {bound for _, _, bound in policies} == {"2000000"}


@pytest.mark.real
def test_an_operator_replays_a_parked_message(broker: Broker) -> None:
    """The operator reads only parked queues, and publishes through the retry exchange."""
    queue = "sms.notification.message"
    with broker.connect("sms") as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_publish("sms.retry", f"{queue}.parked", b"mended", mandatory=True)

    with broker.connect("operator") as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        _, _, body = next(channel.consume(f"{queue}.parked", auto_ack=True))
        channel.cancel()
        channel.basic_publish("sms.retry", queue, body, mandatory=True)
        with pytest.raises(AMQPChannelError):
            channel.basic_get(queue)
