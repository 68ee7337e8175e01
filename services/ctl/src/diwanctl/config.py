"""Where the platform is, and with which key the operator signs."""

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
    """Where the broker is, and the file with the password of its user `operator`."""

    host: str
    port: int
    vhost: str
    password_file: Path


@dataclass(frozen=True)
class Config:
    """What the command line needs to know.

    Attributes:
        targets: gRPC address of each service, `host:port` by service name.
        client: the client id under which identity knows the operator's key.
        key: file of the private JWK (EC P-256) that signs for a token.
        broker: where connectors park, None where it cannot be reached from here.
    """

    targets: dict[str, str]
    client: str
    key: Path
    broker: Broker | None = None

    @classmethod
    def of(cls, context: click.Context) -> "Config":
        """The configuration that this run of the command line was given."""
        return cls.read(context.find_root().params["config_path"])

    @classmethod
    def read(cls, path: Path | None) -> "Config":
        """Read `path`, else what DIWAN_CONFIG names, else the default place.

        Raises:
            click.ClickException: it is not there, or something in it is missing.
        """
        place = path or Path(os.environ.get(VARIABLE, DEFAULT)).expanduser()
        try:
            said: dict[str, Any] = yaml.safe_load(place.read_text())
            return cls(
                targets=dict(said["targets"]),
                client=said["client"],
                key=place.parent / said["key"],
                broker=_broker(said["broker"], place.parent) if said.get("broker") else None,
            )
        except FileNotFoundError as error:
            raise click.ClickException(
                f"no configuration at {place}: name one with --config or {VARIABLE}"
            ) from error
        except (KeyError, TypeError, ValueError, yaml.YAMLError) as error:
            raise click.ClickException(
                f"{place} is not complete: it needs `targets`, `client` and `key`; a `broker` needs `host`, `port`, "
                "`vhost` and `password_file`"
            ) from error


def _broker(said: dict[str, Any], folder: Path) -> Broker:
    return Broker(said["host"], int(said["port"]), said["vhost"], folder / said["password_file"])
