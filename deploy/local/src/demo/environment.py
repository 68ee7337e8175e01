"""Addresses and credentials with which a running platform is reached from outside."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Environment:
    """Addresses and credentials of a citizen's phone, an integrator and an operator.

    Attributes:
        targets: gRPC address of each service, `host:port` by service name.
        broker_host: host of RabbitMQ.
        broker_port: its AMQP port.
        broker_vhost: its virtual host.
        registry_password_file: the registry integrator's broker password.
        registry_seal_key: public JWK with which the registry encrypts records for identity.
        operator_config: configuration of the operator's command line.
        phones_url: HTTP API of the SMSC, which lists the messages on a phone.
        traces_url: HTTP API that returns finished spans.
        otlp_endpoint: endpoint for the driver's own spans.
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
    def read(cls, path: Path) -> "Environment":
        """Read an environment from the JSON file that the embedded stack writes."""
        fields: dict[str, Any] = json.loads(path.read_text())
        for name in ("registry_password_file", "registry_seal_key", "operator_config", "authority"):
            fields[name] = Path(fields[name])
        return cls(**fields)
