"""A real broker for tests: a private RabbitMQ node with the platform's queues and users."""

import atexit
import functools
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pika
from embedded.rabbit import start_rabbitmq

from testkit import table


class Broker:
    """A real broker with the platform's table, and a user for each of its lines."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="diwan-broker-"))
        self.topology = table.platform()
        self._passwords = table.passwords(self.topology)
        definitions = self._folder / "definitions.json"
        definitions.write_text(table.definitions(self.topology, self._passwords), encoding="utf-8")
        self._guard = _guard(self._folder)
        self.node = start_rabbitmq(self._folder / "node", definitions, vhost=self.topology.vhost)

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
        for user in {queue.reader for queue in self.topology.queues}:
            with self.connect(user) as connection:
                channel = connection.channel()
                for queue in self.topology.read_by(user):
                    channel.queue_purge(queue.name)

    def close(self) -> None:
        """Stop it and remove its data."""
        self.node.stop()
        self._guard.communicate()


_GUARD = """
import shutil, sys
from pathlib import Path
from embedded.rabbit import RabbitNode
sys.stdin.read()
node = RabbitNode.find(Path(sys.argv[1]) / "node")
if node: node.kill()
shutil.rmtree(sys.argv[1], ignore_errors=True)
"""


def _guard(folder: Path) -> subprocess.Popen[bytes]:
    """A process that ends the node once we are gone, in whatever way: tests are killed, and a node outlives them."""
    command = [sys.executable, "-c", _GUARD, str(folder)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)  # noqa: S603 - our own command


@functools.cache
def shared_broker() -> Broker:
    """One broker for all tests of this process, stopped when it ends."""
    made = Broker()
    atexit.register(made.close)
    return made
