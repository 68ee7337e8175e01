"""The event encoder: from a fact to an outbox entry, by the options of its proto."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from chassis import telemetry
from chassis.key_ring import Binding, KeyRing
from chassis.messaging.event_encoder import EventEncoder, NotAnEvent
from chassis.store import Cause, EventContext, cause_id
from diwan.identity.v1 import events_pb2
from diwan.payments.v1 import events_pb2 as payments_pb2
from testkit.keys import make_keys

NOW = datetime(2024, 3, 1, 9, tzinfo=UTC)


def context(sequence: int = 1, origin: str = "test") -> EventContext:
    cause = Cause(id=cause_id(origin), now=NOW, correlation="PA-1")
    return EventContext(subject="account", sequence=sequence, cause=cause)


@pytest.fixture
def encoder(tmp_path: Path) -> EventEncoder:
    make_keys(tmp_path, ["identity", "notification"])
    return EventEncoder("identity", KeyRing("identity", tmp_path / "identity"))


def test_a_fact_has_the_exchange_and_key_of_its_proto(encoder: EventEncoder) -> None:
    """Cause, correlation and trace are those of the command."""
    with telemetry.span("command") as span:
        entry = encoder(events_pb2.OfficerRegistered(officer_id="o"), context())

    assert (entry.exchange, entry.key) == ("identity.events", "officer.registered.v1")
    assert (entry.type, entry.subject, entry.sequence) == (
        "diwan.identity.v1.OfficerRegistered",
        "account",
        1,
    )
    assert (entry.time, entry.causation, entry.correlation) == (NOW, cause_id("test"), "PA-1")
    assert f"{span.get_span_context().span_id:016x}" in entry.traceparent
    assert entry.data == '{"officerId": "o"}'
    assert not entry.mandatory


def test_a_command_is_mandatory_sealed_and_expires(encoder: EventEncoder, tmp_path: Path) -> None:
    """Its content is sealed for its reader."""
    message = events_pb2.SendMessage(content="123456", expire_time="2024-03-01T09:05:00Z")

    entry = encoder(message, context())

    assert entry.mandatory
    assert entry.expires == datetime(2024, 3, 1, 9, 5, tzinfo=UTC)
    assert "123456" not in entry.data
    assert message.content == "123456"
    token = entry.data.split('"content": "')[1].split('"')[0]
    reader = KeyRing("notification", tmp_path / "notification")
    assert reader.open(token, Binding(entry.id, entry.type, "diwan/identity")) == "123456"


def test_the_id_is_derived_from_cause_and_sequence(encoder: EventEncoder) -> None:
    """A repeated decision gives the same event; another sequence or cause gives another."""
    fact = events_pb2.OfficerRegistered()

    assert encoder(fact, context()).id == encoder(fact, context()).id
    assert encoder(fact, context()).id != encoder(fact, context(sequence=2)).id
    assert encoder(fact, context()).id != encoder(fact, context(origin="other")).id


def test_a_fact_of_another_service_is_refused(encoder: EventEncoder) -> None:
    """A service publishes only its own facts, and only messages with an exchange and a key."""
    with pytest.raises(NotAnEvent, match="published by payments"):
        encoder(payments_pb2.PaymentSettled(), context())
    with pytest.raises(NotAnEvent, match="declares no exchange and key"):
        encoder(events_pb2.Contact(), context())
