"""The fixtures that every test may ask for. The checkout's `conftest.py` registers them."""

import os
import uuid
from collections.abc import Iterator

import pymongo
import pytest

from testkit.broker import Broker, shared_broker
from testkit.store import shared_store


@pytest.fixture(scope="session")
def store_uri() -> str:
    """Address of a real store: `DIWAN_TEST_STORE_URI`, or a server started for this run."""
    return os.environ.get("DIWAN_TEST_STORE_URI") or shared_store().uri


@pytest.fixture
def store_name(store_uri: str) -> Iterator[str]:
    """Name of a database of this test's own, dropped afterwards."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    yield name
    with pymongo.MongoClient[dict[str, object]](store_uri) as client:
        client.drop_database(name)


@pytest.fixture(scope="session")
def broker_node() -> Broker:
    """A real broker, started once for the run."""
    return shared_broker()


@pytest.fixture
def broker(broker_node: Broker) -> Broker:
    """A real broker with empty queues."""
    broker_node.purge()
    return broker_node
