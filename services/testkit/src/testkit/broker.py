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
            node: that runs, made for this object.
            passwords: by user.
        """
        self.node = node
        self.topology = replace(table.platform(), vhost=f"test_{uuid.uuid4().hex[:12]}")
        self._passwords = passwords
        node.vhost = self.topology.vhost
        definitions = run.scratch("vhost") / "definitions.json"
        definitions.write_text(table.definitions(self.topology), encoding="utf-8")
        told = node.evaluate(
            f'{{ok, Text}} = file:read_file("{definitions}"), rabbit_definitions:import_raw(Text).'
        )
        assert told == "ok", told

    @classmethod
    def shared(cls) -> "Broker":
        """On the run's node, started by the first process that asks."""
        kept = run.once("shared-broker", _start)
        return cls(_found(Path(kept["folder"])), json.loads(kept["passwords"]))

    @classmethod
    def own(cls) -> "Broker":
        """On a node that is started for this object alone."""
        kept = _start(run.scratch("broker"))
        return cls(_found(Path(kept["folder"])), json.loads(kept["passwords"]))

    def uri(self, user: str, *, port: int | None = None) -> str:
        """AMQP URI of a user; `port` leads through something in between."""
        return self.node.uri(user, self._passwords[user], port=port)

    def connect(self, user: str) -> pika.BlockingConnection:
        """A plain connection of a user, which nobody has to keep alive between two uses."""
        parameters = pika.URLParameters(self.uri(user))
        parameters.heartbeat = 0
        return pika.BlockingConnection(parameters)

    @contextmanager
    def unbound(self, queue: str) -> Iterator[None]:
        """Without that queue's bindings for a while, as if its reader were not installed yet."""
        line = self.topology.queue(queue)
        self._admin("unbind", line)
        try:
            yield
        finally:
            self._admin("bind", line)

    @contextmanager
    def away(self) -> Iterator[None]:
        """Without connections and listeners for a while: seconds, where a killed one takes ten to come back."""
        self.node.evaluate("rabbit:stop().")
        try:
            yield
        finally:
            self.node.evaluate("rabbit:start().")

    @contextmanager
    def allowed(self, user: str, *, write: str) -> Iterator[None]:
        """With a user who may, for a while, write another's exchange, as a careless administrator would have it."""
        line = table.permission(self.topology, user)
        self._permit(user, f"^{write}$", line["read"])
        try:
            yield
        finally:
            self._permit(user, line["write"], line["read"])

    def _permit(self, user: str, write: str, read: str) -> None:
        words = [user, self.topology.vhost, "^$", write, read, "tests"]
        # Backslashes are Erlang's as well as the pattern's.
        told = ", ".join('<<"{}">>'.format(word.replace("\\", "\\\\")) for word in words)
        self.node.evaluate(f"rabbit_auth_backend_internal:set_permissions({told}).")

    def _admin(self, verb: str, line: table.Queue) -> None:
        """Bind or unbind by the node's own command: no user may."""
        key, name, source = (f'<<"{text}">>' for text in (line.bindings[0], line.name, line.exchange))
        vhost = f'<<"{self.topology.vhost}">>'
        kind = "add" if verb == "bind" else "remove"
        self.node.evaluate(
            f"rabbit_binding:{kind}({{binding, {{resource, {vhost}, exchange, {source}}}, {key}, "
            f'{{resource, {vhost}, queue, {name}}}, []}}, <<"tests">>).'
        )

    def purge(self) -> None:
        """Empty all queues, so that a test finds none of the last one's messages."""
        self.node.evaluate(
            f'[rabbit_amqqueue:purge(Queue) || Queue <- rabbit_amqqueue:list(<<"{self.topology.vhost}">>)].'
        )


def _start(folder: Path) -> dict[str, str]:
    """Start a node that has the platform's users, and no queue yet."""
    passwords = table.passwords(table.platform())
    definitions = folder / "definitions.json"
    definitions.write_text(table.users(passwords), encoding="utf-8")
    start_rabbitmq(folder / "node", definitions, marks=run.mark())
    return {"folder": str(folder / "node"), "passwords": json.dumps(passwords)}


def _found(folder: Path) -> RabbitNode:
    node = RabbitNode.find(folder)
    assert node is not None
    return node
