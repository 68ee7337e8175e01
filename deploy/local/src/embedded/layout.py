"""Where the embedded stack keeps its things, all below one folder."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import yaml
from platform_table.load import platform
from platform_table.table import CHECKOUT, CONNECTOR

from embedded.files import write_whole
from embedded.rabbit import free_ports

VARIABLE = "DIWAN_STACK_DIR"

__all__ = ["CHECKOUT", "Layout", "port_names"]


def port_names() -> tuple[str, ...]:
    """Names of the ports: each service's store and API, each program's HTTP, callbacks, the broker, the sandbox."""
    table = platform()
    return (
        *(f"{name}-store" for name in table.services),
        *(f"{name}-grpc" for name in table.services),
        *(f"{name}-http" for name in (*table.services, *table.connectors)),
        *(f"{program.name}-callbacks" for program in table.of(CONNECTOR) if program.reached_by),
        "broker",
        "smsc",
        "phones",
        "bank",
        "collector",
    )


@dataclass(frozen=True)
class Layout:
    """The stack's folder and what lies where in it."""

    folder: Path

    @classmethod
    def default(cls) -> "Layout":
        """The folder that DIWAN_STACK_DIR names, else `.stack` in the checkout."""
        return cls(Path(os.environ.get(VARIABLE, CHECKOUT / ".stack")).absolute())

    @property
    def keys(self) -> Path:
        return self.folder / "keys"

    @property
    def passwords(self) -> Path:
        return self.folder / "passwords"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def logs(self) -> Path:
        return self.folder / "log"

    @property
    def running(self) -> Path:
        return self.folder / "running.json"

    @property
    def lock(self) -> Path:
        return self.folder / "lock"

    @property
    def world(self) -> Path:
        return self.folder / "world.json"

    @property
    def operator_config(self) -> Path:
        return self.folder / "operator.yaml"

    def password(self, user: str) -> str:
        return (self.passwords / user).read_text().strip()

    def ports(self) -> dict[str, int]:
        """The port of each program, the same at every start."""
        place = self.folder / "ports.json"
        kept: dict[str, int] = json.loads(place.read_text()) if place.exists() else {}
        missing = [name for name in port_names() if name not in kept]
        if missing:
            kept |= dict(zip(missing, free_ports(len(missing)), strict=True))
            self.keep_ports(kept)
        return kept

    def keep_operator_config(
        self, targets: dict[str, str], broker_host: str, broker_port: int, broker_vhost: str
    ) -> None:
        """Tell the operator's command line where services and broker are, and with what it shows who it is."""
        told = {
            "targets": targets,
            "client": "operator",
            "key": str(self.keys / "operator" / "client.jwk"),
            "broker": {
                "host": broker_host,
                "port": broker_port,
                "vhost": broker_vhost,
                "password_file": str(self.passwords / "operator"),
            },
        }
        self.operator_config.write_text(yaml.safe_dump(told, sort_keys=False))

    def keep_ports(self, ports: dict[str, int]) -> None:
        write_whole(self.folder / "ports.json", json.dumps(ports, indent=2))
