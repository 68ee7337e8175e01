"""A private RabbitMQ node from the system's packages, with its own ports, data folder, cookie and port mapper.

The node outlives the program that started it. Its ports and process ids are kept in `<folder>/node.json`, so that a
later program finds it with `RabbitNode.find` and a restart uses the same ports.
"""

import json
import os
import random
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import quote

from embedded import kernel
from embedded.files import write_whole

# Debian's wrapper in /usr/sbin changes to the user `rabbitmq`, which cannot read our folders.
SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
START_LIMIT_SECONDS = 60
STOP_LIMIT_SECONDS = 20
PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"
# Below the ephemeral ports of the kernel.
PORTS = range(20_000, 30_000)
_EVALUATE = """\
try Answer = begin {} end, io:format("ok ~0tp", [Answer])
catch Class:Reason -> io:format("~0tp: ~0tp", [Class, Reason])
end.
"""
_reservations: list[socket.socket] = []


class RabbitError(Exception):
    """The node did not start; the text names its log."""


@dataclass
class RabbitNode:
    """A node in `folder`, running or stopped. Its process ids are 0 while it is stopped."""

    folder: Path
    name: str
    port: int
    dist_port: int
    epmd_port: int
    vhost: str
    pid: int = 0
    epmd_pid: int = 0
    marks: dict[str, str] = field(default_factory=dict)

    @classmethod
    def find(cls, folder: Path) -> "RabbitNode | None":
        """Return the node that was started in that folder, running or not; None when there is none."""
        try:
            kept = json.loads((folder / "node.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return cls(**{**kept, "folder": folder})

    @property
    def running(self) -> bool:
        """Whether the process runs and answers AMQP."""
        return bool(self.pid) and _alive(self.pid, "beam") and _speaks_amqp(self.port)

    @property
    def log(self) -> Path:
        """Path of the node's log."""
        return self.folder / "log" / "node.log"

    def uri(self, user: str, password: str, *, port: int | None = None) -> str:
        """Return the AMQP URI of a user on the node's virtual host; `port` may be that of a proxy."""
        host = f"127.0.0.1:{port or self.port}"
        return f"amqp://{quote(user, safe='')}:{quote(password, safe='')}@{host}/{quote(self.vhost, safe='')}"

    def start(self) -> None:
        """Start the node with its existing data, and wait until it answers; RabbitError after a minute."""
        if self.running:
            return
        environment = self._environment()
        out = (self.folder / "log" / "console.log").open("ab")
        with out:
            self.epmd_pid = _spawn(["epmd"], environment, out.fileno())
            _wait(lambda: listens(self.epmd_port), time.monotonic() + START_LIMIT_SECONDS, self)
            # With ALLOW_INPUT the script execs the node, so that the process id is the node's.
            self.pid = _spawn([str(SERVER), "-noinput"], environment, out.fileno())
        self._keep()
        try:
            _wait(lambda: _speaks_amqp(self.port), time.monotonic() + START_LIMIT_SECONDS, self)
        except RabbitError:
            self.kill()
            raise

    def stop(self) -> None:
        """Stop the node gracefully, then its port mapper; without effect when both are stopped."""
        if self.pid and _alive(self.pid, "beam"):
            os.kill(self.pid, signal.SIGTERM)
            deadline = time.monotonic() + STOP_LIMIT_SECONDS
            while _alive(self.pid, "beam") and time.monotonic() < deadline:
                time.sleep(0.05)
        self.kill()

    def kill(self) -> None:
        """Kill the node and its port mapper with SIGKILL; `start` starts them with the same data and ports."""
        for pid, word in ((self.pid, "beam"), (self.epmd_pid, "epmd")):
            if pid and _alive(pid, word):
                os.kill(pid, signal.SIGKILL)
                while _alive(pid, word):
                    time.sleep(0.01)
        self.pid = self.epmd_pid = 0
        self._keep()

    def evaluate(self, expression: str) -> str:
        """Evaluate an Erlang expression on the running node, as an administrator; return its printed value."""
        # erl_call takes milliseconds; rabbitmqctl starts an Erlang machine at each call.
        # Each call has its own name, because the node refuses a second connection of the same name.
        caller = f"call_{secrets.token_hex(4)}"
        completed = subprocess.run(
            ["erl_call", "-sname", self.name, "-h", caller, "-fetch_stdout", "-no_result_term", "-e"],
            input=_EVALUATE.format(expression.rstrip(". \n")),
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=START_LIMIT_SECONDS,
        )
        if completed.returncode or not completed.stdout.startswith("ok "):
            raise RabbitError(f"the node returned an error: {(completed.stderr or completed.stdout).strip()}")
        return completed.stdout.removeprefix("ok ")

    def _keep(self) -> None:
        kept = {**asdict(self), "folder": str(self.folder)}
        write_whole(self.folder / "node.json", json.dumps(kept, indent=2))

    def _environment(self) -> dict[str, str]:
        folder = self.folder
        return {
            "PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
            "LANG": "C.UTF-8",
            "HOME": str(folder),
            **self.marks,
            "ERL_EPMD_PORT": str(self.epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_ALLOW_INPUT": "true",
            "RABBITMQ_NODENAME": self.name,
            "RABBITMQ_DIST_PORT": str(self.dist_port),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "no-rabbitmq-env.conf"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "generated"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_PID_FILE": str(folder / "rabbit.pid"),
            # Busy-waiting schedulers would take the cores that the services need.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none +sbwtdcpu none +sbwtdio none",
        }


def start_rabbitmq(
    folder: Path,
    definitions: Path,
    *,
    vhost: str = "diwan",
    port: int | None = None,
    marks: dict[str, str] | None = None,
) -> RabbitNode:
    """Start a node in `folder` with the users, queues and bindings of `definitions`, unless it runs already.

    Args:
        folder: the node's own folder, created if missing; its data are kept between starts.
        definitions: JSON made by `platform_table.broker`; loaded again at each start.
        vhost: the virtual host of the definitions, used by `RabbitNode.uri`.
        port: for AMQP on 127.0.0.1; by default a free port is chosen and kept for later starts.
        marks: further environment variables, which identify its processes.
    """
    folder = folder.absolute()
    if not SERVER.exists():
        raise RabbitError(f"{SERVER} is missing: install the package rabbitmq-server")
    node = RabbitNode.find(folder)
    if node is None:
        amqp, dist, epmd = free_ports(3)
        # The data folder contains the node's name, so a folder always keeps its node's name.
        name = f"diwan_{secrets.token_hex(4)}@localhost"
        node = RabbitNode(folder, name, port or amqp, dist, epmd, vhost)
    if node.running:
        return node
    if port:
        node.port = port
    if listens(node.dist_port) or listens(node.epmd_port):
        node.dist_port, node.epmd_port = free_ports(2)  # taken by another program since the last start
    node.marks = marks or {}
    _write_configuration(node, definitions.absolute())
    node.start()
    return node


def _write_configuration(node: RabbitNode, definitions: Path) -> None:
    for part in ("data", "log", "generated"):
        (node.folder / part).mkdir(parents=True, exist_ok=True)
    (node.folder / "enabled_plugins").write_text("[].\n", encoding="utf-8")
    (node.folder / "rabbitmq.conf").write_text(
        f"""\
listeners.tcp.1 = 127.0.0.1:{node.port}
load_definitions = {definitions}
default_vhost = {node.vhost}
loopback_users = none
log.file = node.log
log.file.level = info
log.console = false
disk_free_limit.absolute = 200MB
# The default of half a gigabyte is too much for a few queues on a laptop.
raft.wal_max_size_bytes = 33554432
""",
        encoding="utf-8",
    )


def free_ports(count: int) -> list[int]:
    """Return distinct free ports of 127.0.0.1, reserved for this process as long as it runs."""
    ports: list[int] = []
    while len(ports) < count:
        port = random.choice(PORTS)  # noqa: S311 -- no secret
        if not listens(port) and _reserve(port):
            ports.append(port)
    return ports


def _reserve(port: int) -> bool:
    """Reserve a port against other callers until its program listens; return False when it is reserved already."""
    reservation = socket.socket(socket.AF_UNIX)
    try:
        # An abstract socket: it has no file and is released when its process ends.
        reservation.bind(f"\0diwan-port-{port}")
    except OSError:
        reservation.close()
        return False
    _reservations.append(reservation)
    return True


def _spawn(command: list[str], environment: dict[str, str], output: int) -> int:
    process = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
    )
    return process.pid


def _wait(ready: Callable[[], bool], deadline: float, node: RabbitNode) -> None:
    while not ready():
        ended = node.pid and not _alive(node.pid, "")
        if ended or time.monotonic() > deadline:
            raise RabbitError(f"RabbitMQ did not start; see {node.log} and console.log beside it")
        time.sleep(0.05)


def _alive(pid: int, word: str) -> bool:
    """Whether the process runs and `word` is in its command line; process ids are reused."""
    return kernel.alive(pid) and word.encode() in kernel.command_line(pid)


def listens(port: int) -> bool:
    """Whether a program listens on a port of 127.0.0.1."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _speaks_amqp(port: int) -> bool:
    """Whether a broker answers the protocol header; RabbitMQ does so only after it has loaded its definitions."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.settimeout(2)
            connection.sendall(PROTOCOL_HEADER)
            return connection.recv(1) == b"\x01"
    except OSError:
        return False
