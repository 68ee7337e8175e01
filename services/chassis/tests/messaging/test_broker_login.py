"""A broker that refuses user, password or vhost."""

import asyncio
import json
from io import StringIO
from urllib.parse import urlsplit

import pytest
from chassis import broker_login
from chassis.broker_login import LIMIT_SECONDS, BrokerLogin
from chassis.connector import broker as connector_broker
from chassis.messaging.connection import reconnecting
from chassis.settings import WrongSetting
from testkit.broker import Broker
from testkit.ports import free_port


def wrong(uri: str, how: str) -> str:
    """The URI with a wrong password, user or vhost."""
    parts = urlsplit(uri)
    user, vhost = parts.username, parts.path
    if how == "user":
        user = "nobody"
    if how == "vhost":
        return uri.removesuffix(vhost) + "/elsewhere"
    return f"amqp://{user}:n0ne@{parts.hostname}:{parts.port}{vhost}"


def test_the_process_ends_after_a_minute_of_refusals() -> None:
    """The line names user and vhost, and what to correct; a broker that is away meanwhile begins a new minute."""
    now = [100.0]
    login = BrokerLogin("amqp://pay%40:s3cret@h:5672/my%2Fvhost", "trial", clock=lambda: now[0])
    login.refused()
    now[0] += LIMIT_SECONDS - 1
    login.refused()
    login.accepted()
    login.refused()
    now[0] += LIMIT_SECONDS

    with pytest.raises(
        WrongSetting, match=r"user pay@ on the vhost my/vhost \(ACCESS_REFUSED\); correct"
    ) as ended:
        login.refused()

    assert "s3cret" not in str(ended.value)


@pytest.mark.real
@pytest.mark.parametrize("how", ["password", "user", "vhost"])
async def test_a_service_says_that_its_login_is_refused(
    broker: Broker, how: str, monkeypatch: pytest.MonkeyPatch, lines: StringIO
) -> None:
    """Not that the broker is away; the log line holds user and vhost, but no password."""
    monkeypatch.setattr(broker_login, "LIMIT_SECONDS", 0.3)
    uri = wrong(broker.uri("payments"), how)

    with pytest.raises(WrongSetting, match="ACCESS_REFUSED"):
        async for _ in reconnecting(uri, "payments relay", asyncio.Event()):
            pass

    _check(lines.getvalue(), uri)


@pytest.mark.real
@pytest.mark.parametrize("how", ["password", "user", "vhost"])
def test_a_connector_says_that_its_login_is_refused(
    broker: Broker, how: str, monkeypatch: pytest.MonkeyPatch, lines: StringIO
) -> None:
    """As a service does."""
    uri = wrong(broker.uri("sms"), how)
    login = BrokerLogin(uri, "sms consumer")
    with pytest.raises(connector_broker.CONNECTION_ERRORS), connector_broker.connected(uri, "sms", login):
        pass
    monkeypatch.setattr(broker_login, "LIMIT_SECONDS", 0)

    with (
        pytest.raises(WrongSetting, match="ACCESS_REFUSED"),
        connector_broker.connected(uri, "sms consumer", login),
    ):
        pass

    _check(lines.getvalue(), uri)


async def test_a_broker_that_is_away_ends_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may return at any time."""
    monkeypatch.setattr(broker_login, "LIMIT_SECONDS", 0)
    stopping = asyncio.Event()
    asyncio.get_running_loop().call_later(0.5, stopping.set)

    connections = [each async for each in reconnecting(f"amqp://a:b@127.0.0.1:{free_port()}/", "a", stopping)]

    assert connections == []


def _check(log: str, uri: str) -> None:
    parts = urlsplit(uri)
    lines = [line for line in map(json.loads, log.splitlines()) if "refuses the login" in line["event"]]
    assert lines
    for line in lines:
        assert (line["reason"], line["user"]) == ("ACCESS_REFUSED", parts.username)
        assert line["vhost"] == parts.path[1:]
    assert str(parts.password) not in log
    assert "broker is away" not in log
