"""What happened, seen from outside the services: their stores (read, never written) and the phones."""

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

TIMEOUT_SECONDS = 60.0
POLL_SECONDS = 0.1


def until(what: str, happened: Callable[[], Any], timeout: float = TIMEOUT_SECONDS) -> Any:
    """Wait until `happened` gives something."""
    give_up = time.monotonic() + timeout
    while not (found := happened()):
        assert time.monotonic() < give_up, f"{what} did not happen within {timeout:.0f} s"
        time.sleep(POLL_SECONDS)
    return found


class Probes:
    """Looks into the stores of a running stack."""

    def __init__(self, layout: Layout, phones_url: str) -> None:
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
        """Documents as they lie in a store; a dot in a name is written as two underscores."""
        query = {key.replace("__", "."): value for key, value in where.items()}
        return list(self.stores[service][collection].find(query))

    def count(self, service: str, collection: str, **where: Any) -> int:
        return len(self.documents(service, collection, **where))

    def events(self, service: str, **where: Any) -> list[str]:
        """Types, without their package, of the events that a service published, in order of their sequence."""
        found = self.documents(service, "history", **where)
        return [event["type"].rpartition(".")[2] for event in sorted(found, key=lambda e: e["sequence"])]

    def messages(self, person: Person) -> list[str]:
        """The texts on a person's phone, oldest first."""
        return [str(message["text"]) for message in Phone(self._phones_url, person.mobile).messages()]

    def codes(self, person: Person) -> list[str]:
        """The one-time codes on a person's phone, oldest first."""
        return [found.group() for text in self.messages(person) if (found := CODE.search(text))]

    def logged(self, program: str, *words: str) -> int:
        """How many lines of a program's log hold all the words."""
        lines = (self._layout.logs / f"{program}.log").read_text(errors="replace").splitlines()
        return sum(all(word in line for word in words) for line in lines)

    def quiet(self) -> bool:
        """Whether no service has anything left to send or to try again."""
        return not any(
            store[collection].count_documents({"unsent": {"$gt": 0}})
            or store["inbox"].count_documents({"parked": False})
            for store in self.stores.values()
            for collection in store.list_collection_names()
        )


def settled(effect: Callable[[], Mapping[str, Any]], once: Mapping[str, Any]) -> Mapping[str, Any]:
    """The effect as soon as it is what it should be; as it is, when it does not get there in time."""
    give_up = time.monotonic() + TIMEOUT_SECONDS
    while (seen := effect()) != once and time.monotonic() < give_up:
        time.sleep(POLL_SECONDS)
    return seen
