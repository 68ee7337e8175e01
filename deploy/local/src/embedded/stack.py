"""The embedded stack: brings the table of programs up, keeps it, and takes it down."""

import fcntl
import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from platform_table.load import platform

from embedded import keys, orphaned_processes, programs, store_users
from embedded.files import write_whole
from embedded.layout import CHECKOUT, Layout
from embedded.process import Program, Running, start
from embedded.rabbit import RabbitNode, free_ports, listens, start_rabbitmq

READY_SECONDS = 60.0
POLL_SECONDS = 0.05
LAST_LINES = 15

Say = Callable[[str], None]


class StackError(Exception):
    """A program did not come up; the text names it and holds its last lines."""


class Stack:
    """The stack in one folder. Any process may look at it; `up` and `down` take turns."""

    def __init__(self, layout: Layout, say: Say = print) -> None:
        self.layout = layout
        self._say = say

    def up(self) -> None:
        """Start what is not running as it should be, and wait until all of it is ready.

        What a killed run left is taken over when it is what we would start, and replaced when it is not.

        Raises:
            StackError: a program ended, or was not ready within a minute.
        """
        with self._alone():
            if found := self._orphaned_processes():
                self._say(f"stopping what a killed run left: {len(found)} of its processes")
                orphaned_processes.stop(found)
            keys.make(self.layout)
            self._free_the_ports()
            with ThreadPoolExecutor() as pool:
                broker = pool.submit(self._start_broker)
                store_users.make(self.layout)
                self._start(programs.stores(self.layout) + programs.outside(self.layout))
                broker.result()
            self._start(programs.services(self.layout) + programs.connectors(self.layout))
            self._write_down()

    def down(self) -> None:
        """Stop everything that was started here, connectors and services before what they talk to."""
        with self._alone():
            running = self.running()
            late = {p.name for p in programs.stores(self.layout) + programs.outside(self.layout)}
            for group in (running.keys() - late, running.keys() & late):
                for name in group:
                    running[name].send(signal.SIGTERM)
                with ThreadPoolExecutor() as pool:
                    list(pool.map(lambda name: running[name].stop(), group))
            self._keep({})
            if node := self._node():
                node.stop()
            orphaned_processes.stop(self._orphaned_processes())

    def table(self) -> list[Program]:
        """Everything that should run, but the broker."""
        layout = self.layout
        return [
            *programs.stores(layout),
            *programs.outside(layout),
            *programs.services(layout),
            *programs.connectors(layout),
        ]

    def status(self) -> Iterator[tuple[str, int, str]]:
        """Each program's name, port and state: `ready`, `running` or `stopped`."""
        if not self.layout.folder.exists():
            return
        node, ports, running = self._node(), self.layout.ports(), self.running()
        yield "broker", ports["broker"], "ready" if node and node.running else "stopped"
        for program in self.table() if self.layout.passwords.exists() else []:
            alive = program.name in running and running[program.name].alive
            state = ("ready" if self._ready(program) else "running") if alive else "stopped"
            yield program.name, ports[program.port], state

    def running(self) -> dict[str, Running]:
        """What was started and is still alive, by name."""
        try:
            kept = json.loads(self.layout.running.read_text())
        except FileNotFoundError:
            return {}
        return {name: run for name, said in kept.items() if (run := Running(**said)).alive}

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Kill -9 a program, as a fault would, or send it another signal; `restart` brings it back.

        The broker is always killed. KeyError when there is no such program, or it does not run.
        """
        if name == "broker":
            if node := self._node():
                node.kill()
            return
        run = self.running()[name]
        run.send(number)
        if number in {signal.SIGKILL, signal.SIGTERM}:
            run.wait(READY_SECONDS)

    def restart(self, name: str) -> None:
        """Start a program that was killed, and wait until it is ready."""
        with self._alone():
            if name == "broker":
                self._start_broker()
            else:
                self._start([program for program in self.table() if program.name == name])

    def log(self, name: str) -> Path:
        """The log of one program."""
        return self.layout.logs / f"{name}.log"

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self.layout.folder.mkdir(parents=True, exist_ok=True)
        with self.layout.lock.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _node(self) -> RabbitNode | None:
        return RabbitNode.find(self.layout.data / "broker")

    def _keep(self, running: dict[str, Running]) -> None:
        write_whole(
            self.layout.running, json.dumps({name: asdict(run) for name, run in running.items()}, indent=2)
        )

    def _orphaned_processes(self) -> list[int]:
        """Processes of this folder that are not written down: of a run that was killed, or without their parent."""
        known = {run.pid for run in self.running().values()}
        if node := self._node():
            known |= {node.pid, node.epmd_pid}
        return orphaned_processes.find(self.layout.folder, known - {0})

    def _free_the_ports(self) -> None:
        """Choose other ports where a stranger has taken one of ours since the last time."""
        ports, running, node = self.layout.ports(), self.running(), self._node()
        ours = {program.port for program in self.table() if program.name in running}
        ours |= {f"{name}-grpc" for name in platform().services if name in running}
        ours |= {"phones"} if "smsc" in running else set()
        ours |= {"broker"} if node and node.running else set()
        taken = [name for name, port in ports.items() if name not in ours and listens(port)]
        if taken:
            self._say(f"ports of {', '.join(taken)} are taken by others: choosing new ones")
            self.layout.keep_ports(ports | dict(zip(taken, free_ports(len(taken)), strict=True)))

    def _start_broker(self) -> None:
        node = self._node()
        if node and node.running:
            return
        self._say("starting RabbitMQ")
        folder = self.layout.data / "broker"
        folder.mkdir(parents=True, exist_ok=True)
        definitions = self.layout.folder / "definitions.json"
        render = [sys.executable, "-m", "platform_table.broker"]
        render += ["--passwords", str(self.layout.passwords), "--out", str(definitions)]
        subprocess.run(render, check=True, cwd=CHECKOUT)
        definitions.chmod(0o600)
        marks = {orphaned_processes.MARK: str(self.layout.folder)}
        port = self.layout.ports()["broker"]
        start_rabbitmq(folder, definitions, vhost=programs.VHOST, port=port, marks=marks)

    def _start(self, wanted: list[Program]) -> None:
        running = self.running()
        stale = [p for p in wanted if p.name in running and running[p.name].fingerprint != p.fingerprint]
        for program in stale:
            running.pop(program.name).stop()
        missing = [program for program in wanted if program.name not in running]
        if missing:
            self._say(f"starting {', '.join(program.name for program in missing)}")
        for program in missing:
            running[program.name] = start(program, self.log(program.name), self.layout.folder)
            self._keep(running)
        for program in wanted:
            self._await(program, running[program.name])

    def _await(self, program: Program, run: Running) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not self._ready(program):
            if not run.alive:
                raise StackError(f"{program.name} ended at start:\n{self._last_lines(program.name)}")
            if time.monotonic() > deadline:
                raise StackError(
                    f"{program.name} was not ready within {READY_SECONDS:.0f} s:\n{self._last_lines(program.name)}"
                )
            time.sleep(POLL_SECONDS)

    def _ready(self, program: Program) -> bool:
        if not program.ready:
            return listens(self.layout.ports()[program.port])
        try:
            with urllib.request.urlopen(program.ready, timeout=2) as answer:  # noqa: S310  our own program
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def _last_lines(self, name: str) -> str:
        path = self.log(name)
        lines = path.read_text(errors="replace").splitlines() if path.exists() else []
        return "\n".join(f"    {line}" for line in lines[-LAST_LINES:])

    def _write_down(self) -> None:
        """Tell whoever works with the stack where everything is."""
        layout, ports, host = self.layout, self.layout.ports(), programs.HOST
        targets = {name: f"{host}:{ports[f'{name}-grpc']}" for name in platform().services}
        layout.keep_operator_config(targets, host, ports["broker"], programs.VHOST)
        world = {
            "targets": targets,
            "broker_host": host,
            "broker_port": ports["broker"],
            "broker_vhost": programs.VHOST,
            "registry_password_file": str(layout.passwords / "registry"),
            "registry_seal_key": str(layout.keys / "registry" / "public" / "seal" / "identity.jwk"),
            "operator_config": str(layout.operator_config),
            "phones_url": f"http://{host}:{ports['phones']}",
            "traces_url": f"http://{host}:{ports['collector']}",
            "otlp_endpoint": f"http://{host}:{ports['collector']}",
            "authority": str(layout.keys / "notary" / "ca.crt"),
        }
        layout.world.write_text(json.dumps(world, indent=2))
