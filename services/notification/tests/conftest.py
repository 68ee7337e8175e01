"""Notification on a real store and broker, one for the tests of a module."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from chassis.testing import Broker, broker_node, store_uri
from chassis.trial import Trial, begin
from notification.__main__ import build
from notification.errors import ERRORS
from notification.settings import NotificationSettings
from notification.store import SCHEMA_VERSION

__all__ = ["broker_node", "store_uri"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def trial(
    broker_node: Broker, store_uri: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Trial]:
    broker_node.purge()
    folder: Path = tmp_path_factory.mktemp("notification")
    running = await begin(
        "notification",
        NotificationSettings,
        build,
        errors=ERRORS,
        schema_version=SCHEMA_VERSION,
        broker=broker_node,
        store_uri=store_uri,
        folder=folder,
    )
    yield running
    await running.stop()
