"""A real broker for tests: a virtual host with the platform's queues and users, on a private RabbitMQ node."""

import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pika
from embedded.rabbit import RabbitNode, start_rabbitmq

from testkit import run, table


class Broker:
    """A virtual host with the platform's table, and a user for each of its lines."""

    def __init__(self, node: RabbitNode, passwords: Mapping[str, str]) -> None:
        """Build the virtual host on a node that has the users.

        Args:
            node: a running node; its `vhost` is set to this virtual host.
            passwords: passwords by user.
        """
        self.node = node
        self.topology = replace(table.platform(), vhost=f"test_{uuid.uuid4().hex[:12]}")
        self._passwords = passwords
        node.vhost = self.topology.vhost
        self._import()

    def _import(self) -> None:
        """Create what is missing of the table."""
        definitions = run.scratch("vhost") / "definitions.json"
        definitions.write_text(table.definitions(self.topology), encoding="utf-8")
        result = self.node.evaluate(
            f'{{ok, Text}} = file:read_file("{definitions}"), rabbit_definitions:import_raw(Text).'
        )
        assert result == "ok", result

    @classmethod
    def shared(cls) -> "Broker":
        """A virtual host on the run's shared node, which the first call in the run starts."""
        started = run.once("shared-broker", _start)
        return cls(_running_node(Path(started["folder"])), json.loads(started["passwords"]))

    @classmethod
    def own(cls) -> "Broker":
        """A virtual host on a new node that is started for this object alone."""
        started = _start(run.scratch("broker"))
        return cls(_running_node(Path(started["folder"])), json.loads(started["passwords"]))

    def uri(self, user: str, *, port: int | None = None) -> str:
        """AMQP URI of a user; `port` replaces the node's port, for a proxy."""
        return self.node.uri(user, self._passwords[user], port=port)

    def connect(self, user: str) -> pika.BlockingConnection:
        """A blocking connection of a user, without heartbeats, so that it may be idle between two uses."""
        parameters = pika.URLParameters(self.uri(user))
        parameters.heartbeat = 0
        return pika.BlockingConnection(parameters)

    @contextmanager
    def unbound(self, queue: str) -> Iterator[None]:
        """Remove the queue's binding for the duration of the block, as if its reader were not installed yet."""
        line = self.topology.queue(queue)
        self._admin("unbind", line)
        try:
            yield
        finally:
            self._admin("bind", line)

    @contextmanager
    def without(self, queue: str) -> Iterator[None]:
        """Delete a queue for the duration of the block; it is empty afterwards."""
        self.node.evaluate(
            f'{{ok, Queue}} = rabbit_amqqueue:lookup({{resource, <<"{self.topology.vhost}">>, queue, <<"{queue}">>}}), '
            'rabbit_amqqueue:delete(Queue, false, false, <<"tests">>).'
        )
        try:
            yield
        finally:
            self._import()

    @contextmanager
    def away(self) -> Iterator[None]:
        """Stop listeners and close connections for the duration of the block.

        The restart takes a few seconds; that of a killed node takes about ten.
        """
        self.node.evaluate("rabbit:stop().")
        try:
            yield
        finally:
            self.node.evaluate("rabbit:start().")

    @contextmanager
    def allowed(self, user: str, *, write: str) -> Iterator[None]:
        """Permit a user to write another user's exchange for the duration of the block: a wrong configuration."""
        line = table.permission(self.topology, user)
        self._permit(user, f"^{write}$", line["read"])
        try:
            yield
        finally:
            self._permit(user, line["write"], line["read"])

    def _permit(self, user: str, write: str, read: str) -> None:
        texts = [user, self.topology.vhost, "^$", write, read, "tests"]
        # The backslash is the escape character of Erlang strings too.
        arguments = ", ".join('<<"{}">>'.format(text.replace("\\", "\\\\")) for text in texts)
        self.node.evaluate(f"rabbit_auth_backend_internal:set_permissions({arguments}).")

    def _admin(self, verb: str, line: table.Queue) -> None:
        """Bind or unbind by a command of the node, because no user has the permission."""
        key, name, source = (f'<<"{text}">>' for text in (line.bindings[0], line.name, line.exchange))
        vhost = f'<<"{self.topology.vhost}">>'
        kind = "add" if verb == "bind" else "remove"
        self.node.evaluate(
            f"rabbit_binding:{kind}({{binding, {{resource, {vhost}, exchange, {source}}}, {key}, "
            f'{{resource, {vhost}, queue, {name}}}, []}}, <<"tests">>).'
        )

    def purge(self) -> None:
        """Empty all queues, so that a test finds no messages of earlier tests."""
        self.node.evaluate(
            f'[rabbit_amqqueue:purge(Queue) || Queue <- rabbit_amqqueue:list(<<"{self.topology.vhost}">>)].'
        )


def _start(folder: Path) -> dict[str, str]:
    """Start a node with the platform's users and without queues; return its folder and the passwords as JSON."""
    passwords = table.passwords(table.platform())
    definitions = folder / "definitions.json"
    definitions.write_text(table.users(passwords), encoding="utf-8")
    start_rabbitmq(folder / "node", definitions, marks=run.mark())
    return {"folder": str(folder / "node"), "passwords": json.dumps(passwords)}


def _running_node(folder: Path) -> RabbitNode:
    node = RabbitNode.find(folder)
    assert node is not None
    return node
