"""What nobody may read in a log: the values of Secrets, in every form in which one could get there."""

import base64
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from .kube import Namespace

LONG_ENOUGH = 8
"""Characters; anything shorter is found by chance."""
PRIVATE_MEMBERS = ("d", "k", "password_hash")


def leaks(namespace: Namespace) -> list[str]:
    """Pods of the namespace, whosever, whose log holds a part of a Secret that is for few eyes."""
    secret = {part for value in _values(namespace) for part in _parts(value) if len(part) >= LONG_ENOUGH}
    assert len(secret) > len(namespace.deployments()), "there are more secrets than programs"
    pods = [pod["metadata"]["name"] for pod in namespace.get("pods")]
    logs = {pod: namespace.kubectl("logs", pod) for pod in pods}
    return [pod for pod, log in logs.items() if any(part in log for part in secret)]


def _values(namespace: Namespace) -> Iterator[str]:
    for secret in namespace.get("secrets"):
        if secret["type"] == "Opaque" and secret["metadata"]["name"] != "diwan-public-keys":
            for name, value in secret["data"].items():
                if not name.endswith(".crt"):
                    yield base64.b64decode(value).decode().strip()


def _parts(value: str) -> Iterator[str]:
    """A value as it is, or what is secret in an address, a key or a table: logs escape quotes and lines."""
    if value.startswith("{"):
        yield from _members(json.loads(value))
    elif value.startswith("-----BEGIN"):
        yield from (line for line in value.splitlines() if not line.startswith("-----"))
    elif "://" in value:
        yield value
        yield urlsplit(value).password or ""
    else:
        yield value


def _members(said: Any) -> Iterator[str]:
    if isinstance(said, dict):
        for name, value in said.items():
            if name in PRIVATE_MEMBERS:
                yield str(value)
            else:
                yield from _members(value)
    elif isinstance(said, list):
        for value in said:
            yield from _members(value)
