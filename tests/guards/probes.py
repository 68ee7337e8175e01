"""Probes outside the services: they read the stores, the events and the phones, and write nothing."""

import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import pymongo
from demo.phone import CODE, Phone
from embedded.layout import Layout
from embedded.programs import HOST, STORE_USER
from platform_table.load import platform
from population import Person

from .broker import Tap

TIMEOUT_SECONDS = 60.0
POLL_SECONDS = 0.1


def wait_for(name: str, poll: Callable[[], Any], timeout: float = TIMEOUT_SECONDS) -> Any:
    """Poll until the result is true, and return it; AssertionError after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not (result := poll()):
        assert time.monotonic() < deadline, f"timed out after {timeout:.0f} s waiting for {name}"
        time.sleep(POLL_SECONDS)
    return result


class Probes:
    """Reads the stores, logs and events of a running stack.

    Attributes:
        tap: captures all messages since the probes were created.
    """

    def __init__(self, layout: Layout, phones_url: str, tap: Tap) -> None:
        self.tap = tap
        self._layout = layout
        self._phones_url = phones_url
        self._clients: list[pymongo.MongoClient[dict[str, Any]]] = []
        self.stores = {name: self._store(name) for name in platform().services}

    def _store(self, name: str) -> Any:
        password = quote(self._layout.password(f"{name}-store"), safe="")
        port = self._layout.ports()[f"{name}-store"]
        client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(
            f"mongodb://{STORE_USER}:{password}@{HOST}:{port}/admin?retryWrites=false", tz_aware=True
        )
        self._clients.append(client)
        return client[name]

    def close(self) -> None:
        for client in self._clients:
            client.close()

    def documents(self, service: str, collection: str, **where: Any) -> list[dict[str, Any]]:
        """Return documents of a collection; a dot in a field's path is written as two underscores."""
        query = {key.replace("__", "."): value for key, value in where.items()}
        return list(self.stores[service][collection].find(query))

    def count(self, service: str, collection: str, **where: Any) -> int:
        return len(self.documents(service, collection, **where))

    def events(self, service: str, causation: str) -> list[str]:
        """Return the types, without package, of the events that a service published for a cause, by sequence.

        The relay may publish an event twice; it counts once.
        """
        caused = {
            message.headers["cloudEvents_id"]: message.headers
            for message in self.tap.captured()
            if message.exchange == f"{service}.events"
            and message.headers["cloudEvents_causationid"] == causation
        }
        in_order = sorted(caused.values(), key=lambda headers: int(headers["cloudEvents_sequence"]))
        return [headers["cloudEvents_type"].rpartition(".")[2] for headers in in_order]

    def messages(self, person: Person) -> list[str]:
        """Return the texts on a person's phone, oldest first."""
        return [str(message["text"]) for message in Phone(self._phones_url, person.mobile).messages()]

    def codes(self, person: Person) -> list[str]:
        """Return the one-time codes on a person's phone, oldest first."""
        return [match.group() for text in self.messages(person) if (match := CODE.search(text))]

    def logged(self, program: str, *words: str) -> int:
        """Count the lines of a program's log that contain all these words."""
        lines = (self._layout.logs / f"{program}.log").read_text(errors="replace").splitlines()
        return sum(all(word in line for word in words) for line in lines)

    def idle(self) -> bool:
        """Whether no service has an unsent event or a message to retry."""
        return not any(
            store[collection].count_documents({"unsent": {"$gt": 0}})
            or store["inbox"].count_documents({"parked": False})
            for store in self.stores.values()
            for collection in store.list_collection_names()
        )


def settled(effect: Callable[[], Mapping[str, Any]], once: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the effect as soon as it equals `once`, or as it is after a minute."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while (current := effect()) != once and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return current
