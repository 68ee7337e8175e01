"""The fixtures that all tests may use. The checkout's `conftest.py` registers them."""

import os
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pymongo
import pytest
from embedded.stack import Stack

from testkit import run
from testkit.broker import Broker
from testkit.stack import empty_stack
from testkit.store import shared_store

_LEAD = pytest.StashKey[run.Lead]()


def pytest_configure(config: pytest.Config) -> None:
    """Begin the run in the leading process; workers join it."""
    if not hasattr(config, "workerinput"):
        config.stash[_LEAD] = run.Lead()


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the run and its processes."""
    if lead := config.stash.get(_LEAD, None):
        lead.close()


@pytest.fixture(scope="session", autouse=True)
def _stacks_end_with_the_run(tmp_path_factory: pytest.TempPathFactory) -> None:
    run.end_stacks_below(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="session")
def store_uri() -> str:
    """URI of a real store: `DIWAN_TEST_STORE_URI`, or the run's server."""
    return os.environ.get("DIWAN_TEST_STORE_URI") or shared_store()


@pytest.fixture
def store_name(store_uri: str) -> Iterator[str]:
    """Name of a database for this test alone, dropped afterwards."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    yield name
    with pymongo.MongoClient[dict[str, object]](store_uri) as client:
        client.drop_database(name)


@pytest.fixture(scope="session")
def broker_node() -> Broker:
    """A virtual host for this process alone, on the shared broker of the run."""
    return Broker.shared()


@pytest.fixture(scope="session")
def own_broker() -> Iterator[Broker]:
    """A broker that no other process uses, for tests that stop or kill it: they override `broker_node` with it."""
    own = Broker.own()
    yield own
    own.node.kill()


@pytest.fixture
def broker(broker_node: Broker) -> Broker:
    """A real broker with empty queues."""
    broker_node.purge()
    return broker_node


@pytest.fixture(scope="session")
def breakable_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The embedded stack, started by two threads at once, for tests that kill its programs and finally stop it."""
    stack = empty_stack(tmp_path_factory.mktemp("breakable"))
    try:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda _: stack.up(), range(2)))
        yield stack
    finally:
        stack.down()
