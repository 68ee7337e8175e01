"""A relay whose broker refuses its login."""

import asyncio
from typing import Any
from urllib.parse import urlsplit

import pytest
from chassis import broker_login
from chassis.messaging.relay import Relay
from chassis.settings import WrongSetting


@pytest.mark.real
async def test_a_relay_whose_login_is_refused_ends(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process of the relay alone would otherwise try for ever."""
    monkeypatch.setattr(broker_login, "LIMIT_SECONDS", 0.3)
    uri = bench.broker.uri("payments")
    wrong = uri.replace(str(urlsplit(uri).password), "n0ne")
    relay = Relay(await bench.database("payments"), wrong, "payments", holder="trial")
    await bench.run(relay)

    with pytest.raises(WrongSetting, match="ACCESS_REFUSED"):
        async with asyncio.timeout(30):
            await relay.wait()
