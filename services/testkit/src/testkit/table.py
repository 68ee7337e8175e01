"""The platform's broker table, as tests need it. No other module here reads it."""

import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chassis.messaging.topology import Queue, Topology, load, password_hash, render

__all__ = ["Queue", "Topology", "definitions", "passwords", "permission", "platform"]

_TABLE = Path(__file__).parents[4] / "deploy" / "broker" / "topology.yaml"


def platform() -> Topology:
    """The table of the checkout."""
    return load(_TABLE)


def passwords(topology: Topology) -> dict[str, str]:
    """A random password for each user."""
    return {user: uuid.uuid4().hex for user in topology.users}


def definitions(topology: Topology, words: Mapping[str, str]) -> str:
    """RabbitMQ's definitions as JSON, with these passwords."""
    return json.dumps(render(topology, {user: password_hash(word) for user, word in words.items()}))


def permission(topology: Topology, user: str) -> dict[str, Any]:
    """A user's permission: regular expressions `configure`, `write` and `read`."""
    lines: list[dict[str, Any]] = render(topology, dict.fromkeys(topology.users, ""))["permissions"]
    return next(line for line in lines if line["user"] == user)
