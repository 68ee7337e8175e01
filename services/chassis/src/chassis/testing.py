"""What the tests of every service start: the real store and the real broker. Imported by tests alone."""

import atexit
import functools
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pika
import pymongo
import pytest
from joserfc.jwk import ECKey
from pymongo.errors import PyMongoError

from chassis.messaging import topology

_START_SECONDS = 60.0

# --- store ---


class StoreServer:
    """A store server of our own on a free port, with its data in a temporary folder.

    It flushes its log at every commit, so that a killed one has lost nothing it acknowledged.
    """

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="diwan-store-"))
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.uri = f"mongodb://127.0.0.1:{self._port}/"

    def start(self) -> None:
        """Start it, again if it was killed, and wait until it answers."""
        program = shutil.which(
            "secantusd-py", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        )
        if program is None:
            raise FileNotFoundError("secantusd-py: install the package SecantusDB")
        command = [program, "--sync-on-commit", "--log-level", "WARNING", "--host", "127.0.0.1"]
        command += ["--port", str(self._port), "--storage-path", str(self._folder / "data")]
        with (self._folder / "log").open("ab") as log:
            # A session of its own: Ctrl-C at the tests does not reach it before the tests have ended.
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                command, stdout=log, stderr=log, cwd=self._folder, start_new_session=True
            )
        self._wait()

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def close(self) -> None:
        """Stop it and remove its data."""
        self._end(signal.SIGTERM)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _wait(self) -> None:
        end = time.monotonic() + _START_SECONDS
        with pymongo.MongoClient[dict[str, object]](self.uri, serverSelectionTimeoutMS=200) as client:
            while True:
                try:
                    client.admin.command("ping")
                except PyMongoError:
                    self._check_alive()
                    if time.monotonic() > end:
                        raise
                else:
                    self._check_alive()
                    return

    def _check_alive(self) -> None:
        """Whoever answers on our port must be ours: another took it first if ours has ended."""
        if self._process is None or self._process.poll() is not None:
            raise ChildProcessError(f"the store ended: {(self._folder / 'log').read_text()[-2000:]}")


def free_port() -> int:
    """A port on this machine that nobody listens on, and that nobody else is given meanwhile."""
    # Only tests reach over to the embedded stack: it knows how to keep a port until its program listens.
    from embedded.rabbit import free_ports

    (port,) = free_ports(1)
    return port


@functools.cache
def shared_store() -> StoreServer:
    """One server for all tests of this run, whichever service they belong to; stopped when the run ends."""
    server = StoreServer()
    atexit.register(server.close)
    server.start()
    return server


@pytest.fixture(scope="session")
def store_uri() -> str:
    """Address of a real store: `DIWAN_TEST_STORE_URI`, or a server started for this run."""
    return os.environ.get("DIWAN_TEST_STORE_URI") or shared_store().uri


@pytest.fixture
def store_name(store_uri: str) -> Iterator[str]:
    """Name of a database of this test's own, dropped afterwards."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    yield name
    with pymongo.MongoClient[dict[str, object]](store_uri) as client:
        client.drop_database(name)


# --- broker ---


class Broker:
    """A real broker with the table of `deploy/broker/topology.yaml`, and a user for each of its lines."""

    def __init__(self, table: Path) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="diwan-broker-"))
        self.topology = topology.load(table)
        self._passwords = {user: uuid.uuid4().hex for user in self.topology.users}
        hashes = {user: topology.password_hash(word) for user, word in self._passwords.items()}
        definitions = self._folder / "definitions.json"
        definitions.write_text(json.dumps(topology.render(self.topology, hashes)), encoding="utf-8")
        # Only tests reach over to the embedded stack: it knows how to start a private node.
        from embedded.rabbit import start_rabbitmq

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
        lines = topology.render(self.topology, dict.fromkeys(self._passwords, ""))["permissions"]
        (line,) = (line for line in lines if line["user"] == user)
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

    def _admin(self, verb: str, line: topology.Queue) -> None:
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
    """One broker for all tests of this run, stopped when the run ends."""
    made = Broker(Path(__file__).parents[4] / "deploy" / "broker" / "topology.yaml")
    atexit.register(made.close)
    return made


@pytest.fixture(scope="session")
def broker_node() -> Broker:
    """A real broker, started once for the run."""
    return shared_broker()


@pytest.fixture
def broker(broker_node: Broker) -> Broker:
    """A real broker with empty queues."""
    broker_node.purge()
    return broker_node


def make_keys(folder: Path, services: Sequence[str]) -> None:
    """Keys of services, in the layout that `chassis.key_ring.KeyRing` reads: `<folder>/<service>/…`."""
    private = {service: ECKey.generate_key("P-256") for service in services}
    for service, key in private.items():
        own = folder / service
        (own / "public" / "seal").mkdir(parents=True)
        (own / "hash.key").write_text(secrets.token_hex(32), encoding="utf-8")
        (own / "seal.jwk").write_text(json.dumps(key.as_dict(private=True)), encoding="utf-8")
        for reader, other in private.items():
            public = json.dumps(other.as_dict(private=False))
            (own / "public" / "seal" / f"{reader}.jwk").write_text(public, encoding="utf-8")
