"""Keys and passwords for a trial of the platform on a cluster, as Kubernetes Secrets.

They are created once, in the same way and folder as those of the embedded stack: a second run returns the same ones.
The names and keys are those that the charts in `deploy/helm` mount.
"""

import json
from base64 import b64encode
from pathlib import Path
from typing import Any
from urllib.parse import quote

from platform_table import broker
from platform_table.load import platform
from platform_table.table import CONNECTOR, SERVICE, Program

from embedded import keys
from embedded.layout import Layout
from embedded.programs import STORE_USER, VHOST

BROKER_PORT = 5672
STORE_PORT = 27017

Manifest = dict[str, Any]


def manifests(layout: Layout, *, namespace: str, release: str) -> list[Manifest]:
    """Return every Secret that the charts with `trial.enabled` need; missing keys and passwords are created.

    Args:
        layout: folder with keys and passwords.
        namespace: of the Secrets.
        release: name of the Helm release, the prefix of the addresses of broker and stores.
    """
    keys.make(layout)
    contents = {
        "diwan-public-keys": _public(layout.keys),
        "diwan-broker-definitions": {"definitions.json": _definitions(layout)},
        "diwan-trial-outside": {
            "smsc-password": layout.password("sms-smsc-password"),
            "api-key": layout.password("acquirer-api-key"),
            "callback.key": (layout.keys / "acquirer" / "callback.key").read_text(),
        },
    }
    for program in platform().of(SERVICE, CONNECTOR):
        contents[f"diwan-{program.name}-keys"] = _files(layout.keys / program.name)
        contents[f"diwan-{program.name}-credentials"] = _credentials(layout, program, release)
    for name in platform().services:
        contents[f"diwan-{name}-store"] = {"store-password": layout.password(f"{name}-store")}
    return [_secret(name, namespace, content) for name, content in sorted(contents.items())]


def _credentials(layout: Layout, program: Program, release: str) -> dict[str, str]:
    name = program.name
    password = quote(layout.password(name), safe="")
    made = {"broker-uri": f"amqp://{name}:{password}@{release}-rabbitmq:{BROKER_PORT}/{VHOST}"}
    if program.kind == SERVICE:
        password = quote(layout.password(f"{name}-store"), safe="")
        address = f"{release}-{name}-store:{STORE_PORT}"
        # Direct: a trial's store announces its listen address, which clients cannot reach.
        made["store-uri"] = f"mongodb://{STORE_USER}:{password}@{address}/admin?directConnection=true"
    return made | {secret: layout.password(f"{name}-{secret}") for secret in program.secrets}


def _public(folder: Path) -> dict[str, str]:
    """Return the public keys as flat names, since a Secret has no folders.

    A reader's key is `seal.<reader>.jwk`, a client's `client.<client>.jwk`.
    """
    seals = _files(folder / "identity" / "public" / "seal")
    clients = _files(folder / "identity" / "clients")
    return {f"seal.{name}": text for name, text in seals.items()} | {
        f"client.{name}": text for name, text in clients.items()
    }


def _files(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(folder.iterdir()) if path.is_file()}


def _definitions(layout: Layout) -> str:
    topology = broker.topology(platform())
    return json.dumps(broker.render(topology, broker.hashes_of(layout.passwords, topology.users)))


def _secret(name: str, namespace: str, content: dict[str, str]) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"app.kubernetes.io/part-of": "diwan"},
        },
        "type": "Opaque",
        "data": {key: b64encode(text.encode()).decode() for key, text in content.items()},
    }
