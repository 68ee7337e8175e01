"""The acquirer connector with a real broker and a sandbox acquirer."""

import hashlib
import http.client
import json
import time
import uuid
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
from chassis.messaging import headers
from diwan.payments.v1 import acquirer_pb2
from testkit.connectors import eventually, take
from testkit.connectors import http as call

from .conftest import API_KEY, Acquiring, settled

pytestmark = [pytest.mark.real, pytest.mark.process]

PARKED = "acquirer.payments.charge.parked"


def take_events(acquiring: Acquiring) -> list[tuple[str, str]]:
    """Take all events from payments' queue; return the type and id of each."""
    messages = take(acquiring.side.broker, "payments", "payments.acquirer.charge")
    return [(event[headers.TYPE].rpartition(".")[2], event[headers.ID]) for _, event in messages]


def await_settlement(acquiring: Acquiring, charge_id: str) -> None:
    """Wait for the events of a charge's acceptance and settlement, in any order; there are no further ones."""
    types: set[str] = set()

    def both() -> bool:
        messages = take(acquiring.side.broker, "payments", "payments.acquirer.charge")
        events = [event for body, event in messages if json.loads(body)["chargeId"] == charge_id]
        types.update(event[headers.TYPE].rpartition(".")[2] for event in events)
        return {"ChargeAccepted", "ChargeSettled"} <= types

    eventually(both)


def test_charge_is_accepted_and_settled(acquiring: Acquiring) -> None:
    """The acquirer accepts a charge at once and settles the requested amount by a callback."""
    charge_id = acquiring.charge(piastres=5050, correlationid="R-1")

    event, event_headers = acquiring.side.hears(acquirer_pb2.ChargeSettled)

    assert event.charge_id == charge_id
    assert event.payment_id == f"payment-{charge_id[:8]}"
    assert (event.amount.currency_code, event.amount.units, event.amount.nanos) == ("EGP", 50, 500_000_000)
    assert event.acquirer_reference.startswith("ACQ-")
    assert event_headers[headers.CORRELATION] == "R-1"
    assert event_headers["user_id"] == "acquirer"


def test_settled_charge_is_in_the_settlement_file(acquiring: Acquiring) -> None:
    """The acquirer's file of a day lists the settled charges."""
    charge_id = acquiring.charge(piastres=5050)
    acquiring.side.hears(acquirer_pb2.ChargeSettled)

    url = f"{acquiring.acquirer_url}/days/{datetime.now(UTC):%Y-%m-%d}.csv"
    status, text = call("GET", url, told={"Authorization": f"Bearer {API_KEY}"})

    assert status == 200
    (line,) = [line for line in text.splitlines() if line.startswith(charge_id)]
    assert line.endswith(",EGP,5050")


def test_declined_card_is_refused_by_callback(acquiring: Acquiring) -> None:
    """The acquirer accepts the request and refuses the charge later, with its reason."""
    charge_id = acquiring.charge("tok_declined")

    event, _ = acquiring.side.hears(acquirer_pb2.ChargeRefused)

    assert (event.charge_id, event.reason) == (charge_id, "DECLINED")


def test_unknown_card_is_refused_at_once(acquiring: Acquiring) -> None:
    """A token unknown to the acquirer is refused without a callback."""
    charge_id = acquiring.charge("tok_nonsense")

    event, _ = acquiring.side.hears(acquirer_pb2.ChargeRefused)

    assert (event.charge_id, event.reason) == (charge_id, "INVALID_CARD")


def test_repeated_callback_publishes_the_same_event(acquiring: Acquiring) -> None:
    """The events of both callbacks have one id, so that readers process one."""
    acquiring.charge("tok_twice")
    events: list[tuple[str, str]] = []

    def two_settled() -> bool:
        events.extend(take_events(acquiring))
        return sum(kind == "ChargeSettled" for kind, _ in events) == 2

    eventually(two_settled)

    assert len({event_id for kind, event_id in events if kind == "ChargeSettled"}) == 1


def test_charge_is_retried_while_the_acquirer_is_unavailable(acquiring: Acquiring) -> None:
    """After a 503 the command passes through the retry queue, and the charge is made."""
    acquiring.faults(fail=1)
    charge_id = acquiring.charge()

    event, _ = acquiring.side.hears(acquirer_pb2.ChargeSettled)

    assert event.charge_id == charge_id
    labels = 'outcome="retry",queue="acquirer.payments.charge",reason="UNAVAILABLE"'
    assert acquiring.metric(f"diwan_connector_deliveries_total{{{labels}}}") >= 1


def test_charge_without_an_answer_is_made_once(acquiring: Acquiring) -> None:
    """The retry has the same idempotency key, so that the acquirer makes no second charge."""
    acquiring.faults(hang=1)
    charge_id = acquiring.charge()
    await_settlement(acquiring, charge_id)

    url = f"{acquiring.acquirer_url}/days/{datetime.now(UTC):%Y-%m-%d}.csv"
    _, text = call("GET", url, told={"Authorization": f"Bearer {API_KEY}"})

    assert text.count(charge_id) == 1


def test_charge_id_with_other_content_is_parked(acquiring: Acquiring) -> None:
    """An operator must decide about another charge with a known id: no refusal is published."""
    charge_id = acquiring.charge(piastres=5050)
    await_settlement(acquiring, charge_id)
    acquiring.charge(piastres=9999, charge_id=charge_id)

    ((_, parked),) = eventually(lambda: take(acquiring.side.broker, "operator", PARKED))

    assert parked["diwan-reason"] == "IDEMPOTENCY_KEY_REUSED"
    assert take_events(acquiring) == []


def test_command_without_its_user_is_parked(acquiring: Acquiring) -> None:
    """A command without `user_id` charges nothing."""
    charge_id = acquiring.charge(user="nobody")

    ((_, parked),) = eventually(lambda: take(acquiring.side.broker, "operator", PARKED))

    assert parked["diwan-reason"] == "USER_MISSING"
    url = f"{acquiring.acquirer_url}/charges/{charge_id}"
    assert call("GET", url, told={"Authorization": f"Bearer {API_KEY}"})[0] == 404


def test_callback_is_answered_after_its_event_is_published(acquiring: Acquiring) -> None:
    """The event of a signed callback is in the queue when the answer 204 arrives."""
    body = settled(str(uuid.uuid4()))

    assert acquiring.call_back(body, acquiring.signed(body)) == 204

    assert [kind for kind, _ in take_events(acquiring)] == ["ChargeSettled"]


@pytest.mark.parametrize("case", ["none", "other key", "other body", "old", "early", "other form"])
def test_callback_with_a_bad_signature_is_refused(acquiring: Acquiring, case: str) -> None:
    """Without a signature, of another key, of another body, too old or too early: 401 and no event."""
    body = settled(str(uuid.uuid4()))
    signed = {
        "none": {},
        "other key": acquiring.signed(body, key=b"x" * 32),
        "other body": acquiring.signed(body + b" "),
        "old": acquiring.signed(body, at=time.time() - 301),
        "early": acquiring.signed(body, at=time.time() + 310),
        "other form": {**acquiring.signed(body), "Acquirer-Timestamp": "yesterday"},
    }[case]

    assert acquiring.call_back(body, signed) == 401

    assert take_events(acquiring) == []


def test_refused_callbacks_are_counted(acquiring: Acquiring) -> None:
    """A metric counts callbacks with a bad signature."""
    line = 'diwan_acquirer_callbacks_total{result="unsigned_signature"}'
    before = acquiring.metric(line)
    body = settled(str(uuid.uuid4()))

    acquiring.call_back(body, acquiring.signed(body, key=b"x" * 32))

    assert acquiring.metric(line) == before + 1


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"no json", ["body"]),
        (b"[" * 20_000, ["body"]),
        (b'{"type": "charge.settled", "type": "charge.refused"}', ["body"]),
        (json.dumps({"type": "charge.settled"}).encode(), ["charge"]),
        (settled("c", amount={"currency": "EGP", "minor_units": "50,50"}), ["charge.amount.minor_units"]),
        (settled("c", amount={"currency": "EGP", "minor_units": 108.5}), ["charge.amount.minor_units"]),
        (settled("c", amount={"currency": "EGP", "minor_units": True}), ["charge.amount.minor_units"]),
        (settled("c", amount={"currency": "EGP", "minor_units": -1}), ["charge.amount.minor_units"]),
        (settled("c", amount=None), ["charge.amount"]),
        (settled("c", state="lost"), ["type", "charge.state"]),
        (settled("c", metadata={}), ["charge.metadata.payment_id"]),
    ],
)
def test_malformed_callback_is_kept_as_evidence(acquiring: Acquiring, body: bytes, fields: list[str]) -> None:
    """A signed callback that cannot be read is answered with 422, counted, and published for an operator."""
    line = 'diwan_acquirer_callbacks_total{result="malformed"}'
    before = acquiring.metric(line)

    assert acquiring.call_back(body, acquiring.signed(body)) == 422

    event, _ = acquiring.side.hears(acquirer_pb2.ReportUnreadable)
    assert list(event.fields) == fields
    assert event.digest == hashlib.sha256(body).hexdigest()
    assert event.charge_id == ("c" if b'"c"' in body else "")
    assert acquiring.metric(line) == before + 1


@pytest.mark.parametrize("charset", ["zlib", "rot13", "unknown"])
def test_a_charset_that_is_none_makes_a_callback_malformed(acquiring: Acquiring, charset: str) -> None:
    """Python's other codecs are not applied: one of them decompresses, without a limit."""
    body = b"\xff" + settled(str(uuid.uuid4()))
    headers = {**acquiring.signed(body), "Content-Type": f"application/json; charset={charset}"}

    assert acquiring.call_back(body, headers) == 422

    event, _ = acquiring.side.hears(acquirer_pb2.ReportUnreadable)
    assert list(event.fields) == ["body"]


def test_evidence_has_only_agreed_fields(acquiring: Acquiring) -> None:
    """Other fields may be personal."""
    body = settled("c", amount={"minor_units": "1,5", "holder": "Mona"}, card_holder="Mona")

    acquiring.call_back(body, acquiring.signed(body))

    event, _ = acquiring.side.hears(acquirer_pb2.ReportUnreadable)
    assert json.loads(event.content)["charge"]["amount"] == {"minor_units": "1,5"}
    assert "Mona" not in event.content


@pytest.mark.parametrize("amount", [10800, 10800.0, "10800", "10800.00", " 10800 "])
def test_amounts_with_one_meaning_are_read(acquiring: Acquiring, amount: object) -> None:
    """Integers, integral fractions, and texts of both."""
    body = settled(charge_id := str(uuid.uuid4()), amount={"currency": "egp", "minor_units": amount})

    assert acquiring.call_back(body, acquiring.signed(body)) == 204

    event, _ = acquiring.side.hears(acquirer_pb2.ChargeSettled)
    assert (event.charge_id, event.amount.units, event.amount.nanos) == (charge_id, 108, 0)


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("Insufficient funds.", "INSUFFICIENT_FUNDS"),
        (None, "DECLINED"),
        ("", "DECLINED"),
        ("رصيد غير كاف", "DECLINED"),
        (51, "DECLINED"),
        ("x" * 500, "X" * 64),
    ],
)
def test_reasons_of_any_form_are_read(acquiring: Acquiring, reason: object, expected: str) -> None:
    """A refusal needs neither a reason nor an amount."""
    body = settled(str(uuid.uuid4()), state="refused", reason=reason, amount=None)

    assert acquiring.call_back(body, acquiring.signed(body)) == 204

    event, _ = acquiring.side.hears(acquirer_pb2.ChargeRefused)
    assert event.reason == expected


@pytest.mark.parametrize(
    ("encoding", "content_type"),
    [
        ("utf-8", "application/json"),
        ("utf-8", 'Application/JSON; Charset="UTF-8"; version=2'),
        ("utf-8-sig", "text/plain"),
        ("utf-16", "application/json; charset=utf-16"),
        ("cp1256", "application/json; charset=windows-1256"),
    ],
)
def test_bodies_in_any_charset_are_read(acquiring: Acquiring, encoding: str, content_type: str) -> None:
    """The signature covers the bytes as sent; unknown fields and null ones are ignored."""
    charge = json.loads(settled(charge_id := str(uuid.uuid4()), reference=None, reason=None, note="شكرا"))
    charge["charge"]["metadata"] |= {"cause": None, "correlation": "x" * 900, "requested_at": 5}
    body = json.dumps(charge, ensure_ascii=False).encode(encoding)
    headers = {name.upper(): value for name, value in acquiring.signed(body).items()}

    assert acquiring.call_back(body, {**headers, "content-type": content_type}) == 204

    event, _ = acquiring.side.hears(acquirer_pb2.ChargeSettled)
    assert event.charge_id == charge_id


@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_chunked_callbacks_are_read(acquiring: Acquiring, size: int) -> None:
    """The signature covers the body without its transfer encoding; a wrong one is refused as ever."""
    body = settled(charge_id := str(uuid.uuid4()))
    signed = acquiring.signed(body)

    assert _send_chunked(acquiring, body, size, signed) == 204
    assert _send_chunked(acquiring, body + b" ", size, signed) == 401

    event, _ = acquiring.side.hears(acquirer_pb2.ChargeSettled)
    assert event.charge_id == charge_id


def _send_chunked(acquiring: Acquiring, body: bytes, size: int, headers: dict[str, str]) -> int:
    address = urlsplit(acquiring.callbacks_url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
    chunks = [body[at : at + size] for at in range(0, len(body), size)]
    connection.request("POST", address.path, iter(chunks), headers, encode_chunked=True)
    try:
        return connection.getresponse().status
    finally:
        connection.close()


def test_another_content_is_another_event(acquiring: Acquiring) -> None:
    """A callback with another amount reaches payments under an id of its own; a repetition under the same."""
    charge_id = str(uuid.uuid4())
    bodies = [
        settled(charge_id, amount={"currency": "EGP", "minor_units": units}) for units in (5050, 5050, 1)
    ]
    for body in bodies:
        assert acquiring.call_back(body, acquiring.signed(body)) == 204

    first, repeated, other = [event_id for _, event_id in take_events(acquiring)]

    assert first == repeated != other


def test_callback_waits_for_the_broker(acquiring: Acquiring) -> None:
    """While the broker is away a callback is answered with 503, so that the acquirer repeats it later."""
    await_settlement(acquiring, acquiring.charge("tok_ok"))
    body = settled(str(uuid.uuid4()))

    with acquiring.side.broker.away():
        status = acquiring.call_back(body, acquiring.signed(body))

    event, _ = acquiring.side.hears(acquirer_pb2.ChargeSettled, within_seconds=60)
    assert status == 503
    assert event.charge_id == json.loads(body)["charge"]["id"]


def test_killed_connector_charges_once(acquiring: Acquiring) -> None:
    """A connector that is killed while it waits for an answer repeats the request later, and one charge results."""
    acquiring.faults(hang=1)
    charge_id = acquiring.charge()
    url = f"{acquiring.acquirer_url}/charges/{charge_id}"
    eventually(lambda: call("GET", url, told={"Authorization": f"Bearer {API_KEY}"})[0] == 200)
    acquiring.connector.kill()

    acquiring.connector.start()

    events: list[tuple[str, str]] = []
    eventually(
        lambda: (
            events.extend(take_events(acquiring))
            or {"ChargeAccepted", "ChargeSettled"} <= {kind for kind, _ in events}
        )
    )
    assert len({event_id for kind, event_id in events if kind == "ChargeSettled"}) == 1


def test_no_card_token_is_logged(acquiring: Acquiring) -> None:
    """The connector's log is searched after a refused charge."""
    acquiring.charge("tok_nonsense")
    acquiring.side.hears(acquirer_pb2.ChargeRefused)

    assert "tok_nonsense" not in acquiring.connector.log.read_text()
