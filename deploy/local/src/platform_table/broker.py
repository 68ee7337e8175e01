"""RabbitMQ definitions from the platform table.

    python -m platform_table.broker --passwords DIR > definitions.json
    python -m platform_table.broker --hashes FILE --out definitions.json

`DIR` holds one file a user, named like the user, with the password in it; `FILE` is a JSON object of user to
`password_hash` (see `password_hash`) for places where passwords are not at hand.

Rights follow from the table: a user writes the exchanges that it publishes on and reads its own queues; nobody
configures anything. A service retries and parks in its own store, so its queues never give a message up. A connector
has no store: each of its queues has retry queues and a parked queue, and the direct exchange `<connector>.retry`,
whose keys are the names of these queues.
"""

import argparse
import base64
import hashlib
import json
import re
import secrets
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chassis.messaging.headers import owner
from chassis.messaging.names import parked_queue, retry_exchange, retry_queue

from platform_table.load import TableError, load
from platform_table.table import CONNECTOR, OPERATOR, TABLE, Platform

Definitions = dict[str, Any]

UNLIMITED = 1_000_000
"""Deliveries of one message. 3.10 accepts -1, and then loses a message the first time it is given back; 4.x without a
limit loses it the twentieth time."""


@dataclass(frozen=True)
class Queue:
    """A reader's queue, bound to keys of one exchange; `retry` adds its retry queues."""

    name: str
    exchange: str
    bindings: tuple[str, ...]
    reader: str
    retry: bool = False


@dataclass(frozen=True)
class Topology:
    """Users, exchanges and queues of the broker."""

    vhost: str
    users: tuple[str, ...]
    exchanges: tuple[str, ...]
    queues: tuple[Queue, ...]
    retry_delays_seconds: tuple[int, ...]
    connector_delivery_limit: int
    operators: tuple[str, ...]
    policies: tuple[Mapping[str, Any], ...]

    def queue(self, name: str) -> Queue:
        """The queue of that name; KeyError if the table has none."""
        for queue in self.queues:
            if queue.name == name:
                return queue
        raise KeyError(name)

    def read_by(self, user: str) -> tuple[Queue, ...]:
        """The queues that a user reads."""
        return tuple(queue for queue in self.queues if queue.reader == user)


def topology(platform: Platform) -> Topology:
    """The topology that follows from the table."""
    programs = platform.programs.values()
    return Topology(
        vhost=platform.broker.vhost,
        users=platform.users,
        exchanges=tuple(exchange for program in programs for exchange in program.exchanges),
        queues=tuple(
            Queue(read.queue, read.exchange, read.keys, program.name, retry=program.kind == CONNECTOR)
            for program in programs
            for read in program.reads
        ),
        retry_delays_seconds=platform.broker.retry_delays_seconds,
        connector_delivery_limit=platform.broker.connector_delivery_limit,
        operators=platform.names(OPERATOR),
        policies=platform.broker.policies,
    )


def retry_queues(queue: Queue, delays_seconds: Sequence[int]) -> list[tuple[str, int]]:
    """Names of a connector's retry queues and how long each holds a message, in milliseconds."""
    return [(retry_queue(queue.name, n), delay * 1000) for n, delay in enumerate(delays_seconds, start=1)]


def password_hash(password: str, salt: bytes | None = None) -> str:
    """The `rabbit_password_hashing_sha256`: base64 of salt (4 bytes), SHA-256 of salt and password."""
    salt = secrets.token_bytes(4) if salt is None else salt
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def render(topology: Topology, hashes: Mapping[str, str]) -> Definitions:
    """Definitions that RabbitMQ (3.10 and 4.x) loads; KeyError if a user has no hash."""
    return {
        "vhosts": [{"name": topology.vhost}],
        "users": [
            {
                "name": user,
                "password_hash": hashes[user],
                "hashing_algorithm": "rabbit_password_hashing_sha256",
                "tags": ["monitoring"] if user in topology.operators else [],
                "limits": {},
            }
            for user in topology.users
        ],
        "permissions": [_permission(topology, user) for user in topology.users],
        "topic_permissions": [],
        "parameters": [],
        "global_parameters": [],
        "policies": [{"vhost": topology.vhost, "priority": 0, **policy} for policy in topology.policies],
        "exchanges": _exchanges(topology),
        "queues": [declared for queue in topology.queues for declared in _queues(topology, queue)],
        "bindings": [bound for queue in topology.queues for bound in _bindings(topology, queue)],
    }


def _permission(topology: Topology, user: str) -> dict[str, str]:
    reads = [queue.name for queue in topology.read_by(user)]
    writes = [exchange for exchange in topology.exchanges if owner(exchange) == user]
    if any(queue.retry for queue in topology.read_by(user)):
        writes.append(retry_exchange(user))
    if user in topology.operators:
        retried = [queue for queue in topology.queues if queue.retry]
        reads += [parked_queue(queue.name) for queue in retried]
        writes += sorted({retry_exchange(queue.reader) for queue in retried})
    return {
        "user": user,
        "vhost": topology.vhost,
        "configure": "^$",
        "write": _exactly(writes),
        "read": _exactly(reads),
    }


def _exactly(names: Sequence[str]) -> str:
    return "^(" + "|".join(re.escape(name) for name in names) + ")$" if names else "^$"


def _exchanges(topology: Topology) -> list[dict[str, Any]]:
    def exchange(name: str, kind: str) -> dict[str, Any]:
        return {
            "name": name,
            "vhost": topology.vhost,
            "type": kind,
            "durable": True,
            "auto_delete": False,
            "internal": False,
            "arguments": {},
        }

    retries = sorted({retry_exchange(queue.reader) for queue in topology.queues if queue.retry})
    return [exchange(name, "topic") for name in topology.exchanges] + [exchange(n, "direct") for n in retries]


def _queues(topology: Topology, queue: Queue) -> list[dict[str, Any]]:
    def declared(name: str, **arguments: str | int) -> dict[str, Any]:
        dashed = {f"x-{key.replace('_', '-')}": value for key, value in arguments.items()}
        return {
            "name": name,
            "vhost": topology.vhost,
            "durable": True,
            "auto_delete": False,
            "arguments": {"x-queue-type": "quorum", **dashed},
        }

    if not queue.retry:
        # The service's store counts the tries; the broker must never lose what it still holds.
        return [declared(queue.name, delivery_limit=UNLIMITED)]

    # At-least-once needs reject-publish; with the default strategy a crash on the way loses messages.
    safely = {
        "dead_letter_exchange": "",
        "dead_letter_strategy": "at-least-once",
        "overflow": "reject-publish",
    }
    limit = topology.connector_delivery_limit
    parked = parked_queue(queue.name)
    return [
        declared(queue.name, delivery_limit=limit, dead_letter_routing_key=parked, **safely),
        *(
            declared(
                name, delivery_limit=UNLIMITED, message_ttl=ms, dead_letter_routing_key=queue.name, **safely
            )
            for name, ms in retry_queues(queue, topology.retry_delays_seconds)
        ),
        declared(parked, delivery_limit=UNLIMITED),
    ]


def _bindings(topology: Topology, queue: Queue) -> list[dict[str, Any]]:
    def bound(exchange: str, name: str, key: str) -> dict[str, Any]:
        return {
            "source": exchange,
            "vhost": topology.vhost,
            "destination": name,
            "destination_type": "queue",
            "routing_key": key,
            "arguments": {},
        }

    lines = [bound(queue.exchange, queue.name, key) for key in queue.bindings]
    if queue.retry:
        names = [name for name, _ in retry_queues(queue, topology.retry_delays_seconds)]
        names += [parked_queue(queue.name), queue.name]
        lines += [bound(retry_exchange(queue.reader), name, name) for name in names]
    return lines


def hashes_of(folder: Path, users: Sequence[str]) -> dict[str, str]:
    """Hashes of the passwords kept in one file a user; FileNotFoundError names the file that is missing."""
    return {user: password_hash((folder / user).read_text(encoding="utf-8").strip()) for user in users}


def main(arguments: Sequence[str] | None = None) -> None:
    """Render the definitions by the command line."""
    parser = argparse.ArgumentParser(prog="python -m platform_table.broker", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--table", type=Path, metavar="FILE", default=TABLE, help="deploy/platform.yaml if not given"
    )
    passwords = parser.add_mutually_exclusive_group(required=True)
    passwords.add_argument("--passwords", type=Path, metavar="DIR", help="a file of its own for each user")
    passwords.add_argument("--hashes", type=Path, metavar="FILE", help="JSON object of user to password_hash")
    parser.add_argument("--out", type=Path, metavar="FILE", help="standard output if not given")
    given = parser.parse_args(arguments)

    try:
        made = topology(load(given.table))
    except TableError as error:
        sys.exit(str(error))
    hashes = (
        hashes_of(given.passwords, made.users)
        if given.passwords
        else json.loads(given.hashes.read_text(encoding="utf-8"))
    )
    text = json.dumps(render(made, hashes), indent=2) + "\n"
    if given.out:
        given.out.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
