"""The embedded stack: starts the programs of the table, reports their state, and stops them."""

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

Report = Callable[[str], None]
"""Called with a line of progress."""


class StackError(Exception):
    """A program did not start; the text names it and holds the last lines of its log."""


class Stack:
    """The stack in one folder. Any process may read its state; `up` and `down` exclude each other by a lock."""

    def __init__(self, layout: Layout, report: Report = print) -> None:
        self.layout = layout
        self._report = report

    def up(self) -> None:
        """Start the programs that do not run with their current command, and wait until all are ready.

        A program that an earlier run left is kept when its command and environment are unchanged, else replaced.

        Raises:
            StackError: a program ended at its start, or was not ready within a minute.
        """
        with self._locked():
            if orphans := self._orphaned_processes():
                self._report(f"stopping {len(orphans)} orphaned processes of a killed run")
                orphaned_processes.stop(orphans)
            keys.make(self.layout)
            self._replace_taken_ports()
            with ThreadPoolExecutor() as pool:
                broker = pool.submit(self._start_broker)
                store_users.make(self.layout)
                self._start(programs.stores(self.layout) + programs.outside(self.layout))
                broker.result()
            self._start(programs.services(self.layout) + programs.connectors(self.layout))
            self._write_descriptions()

    def down(self) -> None:
        """Stop all programs of this folder: connectors and services first, then stores, sandbox and broker."""
        with self._locked():
            running = self.running()
            last = {p.name for p in programs.stores(self.layout) + programs.outside(self.layout)}
            for group in (running.keys() - last, running.keys() & last):
                for name in group:
                    running[name].send(signal.SIGTERM)
                with ThreadPoolExecutor() as pool:
                    list(pool.map(lambda name: running[name].stop(), group))
            self._save_running({})
            if node := self._node():
                node.stop()
            orphaned_processes.stop(self._orphaned_processes())

    def table(self) -> list[Program]:
        """Return all programs of the stack except the broker."""
        layout = self.layout
        return [
            *programs.stores(layout),
            *programs.outside(layout),
            *programs.services(layout),
            *programs.connectors(layout),
        ]

    def status(self) -> Iterator[tuple[str, int, str]]:
        """Yield each program's name, port and state: `ready`, `running` or `stopped`."""
        if not self.layout.folder.exists():
            return
        node, ports, running = self._node(), self.layout.ports(), self.running()
        yield "broker", ports["broker"], "ready" if node and node.running else "stopped"
        for program in self.table() if self.layout.passwords.exists() else []:
            alive = program.name in running and running[program.name].alive
            state = ("ready" if self._ready(program) else "running") if alive else "stopped"
            yield program.name, ports[program.port], state

    def running(self) -> dict[str, Running]:
        """Return the started programs that still run, by name."""
        try:
            kept = json.loads(self.layout.running.read_text())
        except FileNotFoundError:
            return {}
        return {name: run for name, fields in kept.items() if (run := Running(**fields)).alive}

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Kill a program with SIGKILL, or send it another signal; `restart` starts it again.

        The broker is always killed with SIGKILL.

        Raises:
            KeyError: there is no such program, or it does not run.
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
        with self._locked():
            if name == "broker":
                self._start_broker()
            else:
                self._start([program for program in self.table() if program.name == name])

    def log(self, name: str) -> Path:
        """Return the path of a program's log."""
        return self.layout.logs / f"{name}.log"

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.layout.folder.mkdir(parents=True, exist_ok=True)
        with self.layout.lock.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _node(self) -> RabbitNode | None:
        return RabbitNode.find(self.layout.data / "broker")

    def _save_running(self, running: dict[str, Running]) -> None:
        write_whole(
            self.layout.running, json.dumps({name: asdict(run) for name, run in running.items()}, indent=2)
        )

    def _orphaned_processes(self) -> list[int]:
        """Return processes of this folder that are not recorded: of a killed run, or without their parent."""
        known = {run.pid for run in self.running().values()}
        if node := self._node():
            known |= {node.pid, node.epmd_pid}
        return orphaned_processes.find(self.layout.folder, known - {0})

    def _replace_taken_ports(self) -> None:
        """Choose new ports for those that other programs have taken since the last start."""
        ports, running, node = self.layout.ports(), self.running(), self._node()
        ours = {program.port for program in self.table() if program.name in running}
        ours |= {f"{name}-grpc" for name in platform().services if name in running}
        ours |= {f"{name}-callbacks" for name in running}
        ours |= {"phones"} if "smsc" in running else set()
        ours |= {"broker"} if node and node.running else set()
        taken = [name for name, port in ports.items() if name not in ours and listens(port)]
        if taken:
            self._report(f"choosing new ports for {', '.join(taken)}: other programs use the old ones")
            self.layout.keep_ports(ports | dict(zip(taken, free_ports(len(taken)), strict=True)))

    def _start_broker(self) -> None:
        node = self._node()
        if node and node.running:
            return
        self._report("starting RabbitMQ")
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
            self._report(f"starting {', '.join(program.name for program in missing)}")
        for program in missing:
            running[program.name] = start(program, self.log(program.name), self.layout.folder)
            self._save_running(running)
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
            with urllib.request.urlopen(program.ready, timeout=2) as response:  # noqa: S310  our own program
                return bool(response.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def _last_lines(self, name: str) -> str:
        path = self.log(name)
        lines = path.read_text(errors="replace").splitlines() if path.exists() else []
        return "\n".join(f"    {line}" for line in lines[-LAST_LINES:])

    def _write_descriptions(self) -> None:
        """Write the files that describe the stack to its users: the operator's configuration, and addresses."""
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
