from contextlib import AsyncExitStack

import pytest

from . import world as worlds


class Paper:
    """Stands for the renderer where a test is not about print: other bytes each time, as signatures are."""

    def __init__(self):
        self.printed = 0
        self.before = None

    async def document(self, case, now):
        self.printed += 1
        copy = self.printed
        if self.before:
            await self.before()
        return b"%PDF-1.7 " + case.number.encode() + b" %d" % copy


@pytest.fixture
async def world(store_uri, store_name, tmp_path):
    """A notary of the test's own, on the real store."""
    async with AsyncExitStack() as stack:
        yield await worlds.start(store_uri, store_name, tmp_path / "keys", Paper(), stack)


@pytest.fixture
def principal(world):
    return world.person()


@pytest.fixture
def agent(world):
    return world.person()
