"""Configuration of the command line: addresses of the platform, and the operator's key."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import yaml

VARIABLE = "DIWAN_CONFIG"
DEFAULT = Path("~/.config/diwan/config.yaml")


@dataclass(frozen=True)
class Broker:
    """Address of the broker, and the file with the password of its user `operator`."""

    host: str
    port: int
    vhost: str
    password_file: Path


@dataclass(frozen=True)
class Config:
    """The configuration.

    Attributes:
        targets: gRPC address of each service, `host:port` by service name.
        client: client id of the operator's key at identity.
        key: file of the private JWK (EC P-256) that signs client assertions.
        broker: the broker with the connectors' parked queues, None if it cannot be reached from here.
    """

    targets: dict[str, str]
    client: str
    key: Path
    broker: Broker | None = None

    @classmethod
    def of(cls, context: click.Context) -> "Config":
        """The configuration of this run of the command line."""
        return cls.read(context.find_root().params["config_path"])

    @classmethod
    def read(cls, path: Path | None) -> "Config":
        """Read the file `path`, else that of DIWAN_CONFIG, else the default file.

        Raises:
            click.ClickException: the file does not exist, or a field is missing.
        """
        file = path or Path(os.environ.get(VARIABLE, DEFAULT)).expanduser()
        try:
            fields: dict[str, Any] = yaml.safe_load(file.read_text())
            return cls(
                targets=dict(fields["targets"]),
                client=fields["client"],
                key=file.parent / fields["key"],
                broker=_broker(fields["broker"], file.parent) if fields.get("broker") else None,
            )
        except FileNotFoundError as error:
            raise click.ClickException(
                f"no configuration at {file}: name one with --config or {VARIABLE}"
            ) from error
        except (KeyError, TypeError, ValueError, yaml.YAMLError) as error:
            raise click.ClickException(
                f"{file} is not complete: it needs `targets`, `client` and `key`; a `broker` needs `host`, `port`, "
                "`vhost` and `password_file`"
            ) from error


def _broker(fields: dict[str, Any], folder: Path) -> Broker:
    return Broker(fields["host"], int(fields["port"]), fields["vhost"], folder / fields["password_file"])
