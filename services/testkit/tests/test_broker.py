"""Virtual hosts on one node are separate."""

import pytest
from testkit.broker import Broker

QUEUE = "notification.identity.message"

pytestmark = pytest.mark.real


def put(broker: Broker) -> None:
    with broker.connect("identity") as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_publish("identity.commands", "message.send.v1", b"{}", mandatory=True)


def depth(broker: Broker) -> int:
    with broker.connect("notification") as connection:
        method, _, _ = connection.channel().basic_get(QUEUE)
        return 0 if method is None else int(method.message_count) + 1


def test_a_message_stays_on_its_virtual_host(broker: Broker) -> None:
    """Messages, purges and bindings of one virtual host do not affect another."""
    other = Broker.shared()
    put(broker)
    put(other)
    put(other)
    assert (depth(broker), depth(other)) == (1, 2)

    broker.purge()

    assert (depth(broker), depth(other)) == (0, 2)
    with broker.unbound(QUEUE):
        put(other)
    assert depth(other) == 3
    put(broker)
    assert depth(broker) == 1


def test_an_expression_that_fails_is_an_error(broker: Broker) -> None:
    """A failed expression raises an exception with the node's error."""
    with pytest.raises(Exception, match="the node returned an error: error: badarith"):
        broker.node.evaluate("1 / 0.")
