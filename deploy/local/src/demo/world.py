"""Where the platform under the journey can be reached, as seen from outside it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class World:
    """Addresses and credentials that a citizen's phone, an integrator and an operator would have.

    Attributes:
        targets: gRPC address of each service, `host:port` by service name.
        broker_host: host of RabbitMQ.
        broker_port: its AMQP port.
        broker_vhost: its virtual host.
        registry_password_file: the registry integrator's own password.
        registry_seal_key: public JWK with which the registry seals records for identity.
        operator_config: configuration of the operator's command line.
        phones_url: the SMSC's HTTP side, where a citizen's phone is read.
        traces_url: where finished spans can be read back.
        otlp_endpoint: where the driver sends its own spans.
        authority: certificate of the authority under which documents are signed.
    """

    targets: dict[str, str]
    broker_host: str
    broker_port: int
    broker_vhost: str
    registry_password_file: Path
    registry_seal_key: Path
    operator_config: Path
    phones_url: str
    traces_url: str
    otlp_endpoint: str
    authority: Path

    @classmethod
    def read(cls, path: Path) -> "World":
        """Read a world from the JSON file that whoever started the platform wrote."""
        said: dict[str, Any] = json.loads(path.read_text())
        for name in ("registry_password_file", "registry_seal_key", "operator_config", "authority"):
            said[name] = Path(said[name])
        return cls(**said)
