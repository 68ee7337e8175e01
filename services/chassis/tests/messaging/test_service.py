"""The components of messaging in a process, by its roles."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from chassis.messaging.policies import on
from chassis.process import Env
from chassis.readiness import Readiness
from chassis.service import messaging_components
from chassis.settings import ServiceSettings
from chassis.timers import every
from chassis.times import utc_now
from diwan.payments.v1 import events_pb2

from .conftest import QUEUE, Seen, eventually, settled

pytestmark = pytest.mark.real


def env(bench: Any, *roles: Any) -> Env[ServiceSettings]:
    given: dict[str, Any] = {
        "broker_uri": bench.broker.uri("notary"),
        "store_uri": bench.store_uri,
        "store_database": "notary",
        "keys_dir": Path(),
    }
    return Env("notary", ServiceSettings(**given), frozenset(roles), Readiness(), utc_now)


async def test_a_process_with_all_roles_has_all_components(bench: Any, seen: Seen) -> None:
    """Relay, consumer, inbox worker and timers start, become ready, work, and stop."""
    ticks: list[int] = []

    async def tick() -> None:
        ticks.append(1)

    given = env(bench, "api", "policies", "relay")
    components = messaging_components(
        given,
        await bench.database("notary"),
        bench.keys("notary"),
        policies=[on(QUEUE, events_pb2.PaymentSettled, seen.handle, name="count")],
        timers=[every("tick", timedelta(milliseconds=20), tick)],
    )
    for component in components:
        await bench.run(component)

    await eventually(given.readiness.check)
    bench.send(settled(1))

    await eventually(lambda: seen.events and ticks)
    assert [component.name for component in components] == ["relay", "policies", "inbox", "timers"]


@pytest.mark.parametrize(
    ("role", "names"), [("api", []), ("relay", ["relay"]), ("policies", ["policies", "inbox", "timers"])]
)
async def test_a_process_with_one_role_has_its_components(bench: Any, role: str, names: list[str]) -> None:
    """Its readiness checks only these."""
    given = env(bench, role)

    components = messaging_components(given, await bench.database("notary"), bench.keys("notary"), [], [])

    assert [component.name for component in components] == names
    assert list(given.readiness.states) == names[:1]
