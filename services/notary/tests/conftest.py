from contextlib import AsyncExitStack

import pytest

from . import world as worlds


class FakeRenderer:
    """Replaces the renderer in tests of other parts: returns other bytes each time, as signatures differ."""

    concurrency = 64

    def __init__(self):
        self.rendered = 0
        self.before = None

    async def document(self, case, now):
        self.rendered += 1
        copy = self.rendered
        if self.before:
            await self.before()
        return b"%PDF-1.7 " + case.number.encode() + b" %d" % copy


@pytest.fixture
async def world(store_uri, store_name, tmp_path):
    """A notary for one test, on the real store."""
    async with AsyncExitStack() as stack:
        yield await worlds.start(store_uri, store_name, tmp_path / "keys", FakeRenderer(), stack)


@pytest.fixture
def principal(world):
    return world.person()


@pytest.fixture
def agent(world):
    return world.person()
