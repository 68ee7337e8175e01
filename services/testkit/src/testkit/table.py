"""The broker's part of the platform table. All other modules of the testkit read it through this one."""

import json
import uuid
from collections.abc import Mapping
from typing import Any

from platform_table import load
from platform_table.broker import Queue, Topology, password_hash, render, topology

__all__ = ["Queue", "Topology", "definitions", "passwords", "permission", "platform", "users"]


def platform() -> Topology:
    """The broker's topology from the checkout's platform table."""
    return topology(load.platform())


def passwords(broker: Topology) -> dict[str, str]:
    """A random password for each user."""
    return {user: uuid.uuid4().hex for user in broker.users}


def users(words: Mapping[str, str]) -> str:
    """RabbitMQ's definitions as JSON, only the users with these passwords: all virtual hosts of a node share them."""
    hashes = {user: password_hash(word) for user, word in words.items()}
    return json.dumps({"users": render(platform(), hashes)["users"]})


def definitions(broker: Topology) -> str:
    """RabbitMQ's definitions as JSON, without the users."""
    return json.dumps({**_rendered(broker), "users": []})


def permission(broker: Topology, user: str) -> dict[str, Any]:
    """A user's permission: regular expressions `configure`, `write` and `read`."""
    lines: list[dict[str, Any]] = _rendered(broker)["permissions"]
    return next(line for line in lines if line["user"] == user)


def _rendered(topology: Topology) -> dict[str, Any]:
    return render(topology, dict.fromkeys(topology.users, ""))
