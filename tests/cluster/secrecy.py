"""Finds the values of Secrets in logs, in every form in which a log could contain them."""

import base64
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from .kube import Namespace

MINIMUM_LENGTH = 8
"""Characters; anything shorter would match by chance."""
PRIVATE_MEMBERS = ("d", "k", "password_hash")


def leaks(namespace: Namespace) -> list[str]:
    """Return the pods of the namespace, also those that are not ours, whose log contains a part of a Secret."""
    secret = {part for value in _values(namespace) for part in _parts(value) if len(part) >= MINIMUM_LENGTH}
    assert len(secret) > len(namespace.deployments()), "there should be more secrets than programs"
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
    """Yield the secret parts of a value (of a URI, a key or JSON), since logs escape quotes and line breaks."""
    if value.startswith("{"):
        yield from _members(json.loads(value))
    elif value.startswith("-----BEGIN"):
        yield from (line for line in value.splitlines() if not line.startswith("-----"))
    elif "://" in value:
        yield value
        yield urlsplit(value).password or ""
    else:
        yield value


def _members(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for name, value in node.items():
            if name in PRIVATE_MEMBERS:
                yield str(value)
            else:
                yield from _members(value)
    elif isinstance(node, list):
        for value in node:
            yield from _members(value)
