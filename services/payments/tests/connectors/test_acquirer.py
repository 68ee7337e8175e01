"""The acquirer connector against a real broker and a sandbox acquirer."""

import json
import time
import uuid
from datetime import UTC, datetime

import pytest
from chassis.messaging import headers
from diwan.payments.v1 import acquirer_pb2
from testkit.connectors import eventually, http, take

from .conftest import API_KEY, Acquiring, settled

pytestmark = pytest.mark.real

PARKED = "acquirer.payments.charge.parked"


def taken(acquiring: Acquiring) -> list[tuple[str, str]]:
    """Type and id of all events that payments hears now."""
    queue = take(acquiring.side.broker, "payments", "payments.acquirer.charge")
    return [(told[headers.TYPE].rpartition(".")[2], told[headers.ID]) for _, told in queue]


def decided(acquiring: Acquiring, charge_id: str) -> None:
    """Wait until a charge's acceptance and its settlement were told, in whatever order: nothing more comes of it."""
    heard: set[str] = set()

    def both() -> bool:
        queue = take(acquiring.side.broker, "payments", "payments.acquirer.charge")
        ours = [told for body, told in queue if json.loads(body)["chargeId"] == charge_id]
        heard.update(told[headers.TYPE].rpartition(".")[2] for told in ours)
        return {"ChargeAccepted", "ChargeSettled"} <= heard

    eventually(both)


def test_charge_is_accepted_and_settled(acquiring: Acquiring) -> None:
    """A good card: the acquirer accepts at once and settles by a callback, of the amount that was asked for."""
    charge_id = acquiring.charge(piastres=5050, correlationid="R-1")

    said, told = acquiring.side.hears(acquirer_pb2.ChargeSettled)

    assert said.charge_id == charge_id
    assert said.payment_id == f"payment-{charge_id[:8]}"
    assert (said.amount.currency_code, said.amount.units, said.amount.nanos) == ("EGP", 50, 500_000_000)
    assert said.acquirer_reference.startswith("ACQ-")
    assert told[headers.CORRELATION] == "R-1"
    assert told["user_id"] == "acquirer"


def test_settled_charge_is_on_the_day_file(acquiring: Acquiring) -> None:
    """The acquirer's day file lists what it settled."""
    charge_id = acquiring.charge(piastres=5050)
    acquiring.side.hears(acquirer_pb2.ChargeSettled)

    url = f"{acquiring.acquirer_url}/days/{datetime.now(UTC):%Y-%m-%d}.csv"
    status, text = http("GET", url, told={"Authorization": f"Bearer {API_KEY}"})

    assert status == 200
    (line,) = [line for line in text.splitlines() if line.startswith(charge_id)]
    assert line.endswith(",EGP,5050")


def test_declined_card_is_refused_by_callback(acquiring: Acquiring) -> None:
    """A declined card is accepted as a request, and refused with its reason later."""
    charge_id = acquiring.charge("tok_declined")

    said, _ = acquiring.side.hears(acquirer_pb2.ChargeRefused)

    assert (said.charge_id, said.reason) == (charge_id, "DECLINED")


def test_unknown_card_is_refused_at_once(acquiring: Acquiring) -> None:
    """A token that the acquirer does not know is refused without a callback."""
    charge_id = acquiring.charge("tok_nonsense")

    said, _ = acquiring.side.hears(acquirer_pb2.ChargeRefused)

    assert (said.charge_id, said.reason) == (charge_id, "INVALID_CARD")


def test_second_callback_is_the_same_event(acquiring: Acquiring) -> None:
    """The acquirer calls back twice: both events have one id, so that readers handle one."""
    acquiring.charge("tok_twice")
    heard: list[tuple[str, str]] = []

    def two_settled() -> bool:
        heard.extend(taken(acquiring))
        return sum(kind == "ChargeSettled" for kind, _ in heard) == 2

    eventually(two_settled)

    assert len({event_id for kind, event_id in heard if kind == "ChargeSettled"}) == 1


def test_unavailable_acquirer_is_asked_again(acquiring: Acquiring) -> None:
    """A 503 goes through the retry queue, and the charge is made after all."""
    acquiring.faults(fail=1)
    charge_id = acquiring.charge()

    said, _ = acquiring.side.hears(acquirer_pb2.ChargeSettled)

    assert said.charge_id == charge_id
    labels = 'outcome="retry",queue="acquirer.payments.charge",reason="UNAVAILABLE"'
    assert acquiring.metric(f"diwan_connector_deliveries_total{{{labels}}}") >= 1


def test_charge_without_an_answer_is_made_once(acquiring: Acquiring) -> None:
    """The acquirer takes a charge and does not answer: asked again with the same key, it makes no second one."""
    acquiring.faults(hang=1)
    charge_id = acquiring.charge()
    decided(acquiring, charge_id)

    url = f"{acquiring.acquirer_url}/days/{datetime.now(UTC):%Y-%m-%d}.csv"
    _, text = http("GET", url, told={"Authorization": f"Bearer {API_KEY}"})

    assert text.count(charge_id) == 1


def test_charge_id_with_other_content_is_parked(acquiring: Acquiring) -> None:
    """Another charge under a known id is nobody's to decide but an operator's: no refusal is told."""
    charge_id = acquiring.charge(piastres=5050)
    decided(acquiring, charge_id)
    acquiring.charge(piastres=9999, charge_id=charge_id)

    ((_, told),) = eventually(lambda: take(acquiring.side.broker, "operator", PARKED))

    assert told["diwan-reason"] == "IDEMPOTENCY_KEY_REUSED"
    assert taken(acquiring) == []


def test_command_without_its_user_is_parked(acquiring: Acquiring) -> None:
    """A charge request that does not say who published it is parked and charges nothing."""
    charge_id = acquiring.charge(user="nobody")

    ((_, told),) = eventually(lambda: take(acquiring.side.broker, "operator", PARKED))

    assert told["diwan-reason"] == "USER_MISSING"
    url = f"{acquiring.acquirer_url}/charges/{charge_id}"
    assert http("GET", url, told={"Authorization": f"Bearer {API_KEY}"})[0] == 404


def test_callback_is_answered_after_its_event_is_published(acquiring: Acquiring) -> None:
    """A signed callback gets 204, and its event is there when it does."""
    body = settled(str(uuid.uuid4()))

    assert acquiring.call_back(body, acquiring.signed(body)) == 204

    assert [kind for kind, _ in taken(acquiring)] == ["ChargeSettled"]


@pytest.mark.parametrize("case", ["none", "other key", "other body", "old", "early", "other form"])
def test_callback_with_a_bad_signature_is_refused(acquiring: Acquiring, case: str) -> None:
    """Unsigned, signed by another, changed, too old or too early: 401, and no event."""
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

    assert taken(acquiring) == []


def test_refused_callbacks_are_counted(acquiring: Acquiring) -> None:
    """Each callback with a wrong signature shows in the metrics."""
    line = 'diwan_acquirer_callbacks_total{result="unsigned_signature"}'
    before = acquiring.metric(line)
    body = settled(str(uuid.uuid4()))

    acquiring.call_back(body, acquiring.signed(body, key=b"x" * 32))

    assert acquiring.metric(line) == before + 1


@pytest.mark.parametrize(
    "body",
    [
        b"no json",
        json.dumps({"type": "charge.settled"}).encode(),
        settled("c", amount={"currency": "EGP", "minor_units": "5050"}),
        settled("c", amount={"currency": "EGP", "minor_units": -1}),
        settled("c", state="lost"),
        settled("c", metadata={}),
    ],
)
def test_signed_callback_of_a_wrong_form_is_refused(acquiring: Acquiring, body: bytes) -> None:
    """What is signed and not of the agreed form gets 422, and no event."""
    assert acquiring.call_back(body, acquiring.signed(body)) == 422

    assert taken(acquiring) == []


def test_callback_waits_for_the_broker(acquiring: Acquiring) -> None:
    """A charge decided while the broker is away is told of when it is back: the acquirer is not answered before."""
    decided(acquiring, acquiring.charge("tok_ok"))
    body = settled(str(uuid.uuid4()))

    with acquiring.side.broker.away():
        unanswered = acquiring.call_back(body, acquiring.signed(body))

    said, _ = acquiring.side.hears(acquirer_pb2.ChargeSettled, within_seconds=60)
    assert unanswered == 503
    assert said.charge_id == json.loads(body)["charge"]["id"]


def test_killed_connector_charges_once(acquiring: Acquiring) -> None:
    """Killed while it waits for the acquirer's answer: the next one asks again, and there is one charge."""
    acquiring.faults(hang=1)
    charge_id = acquiring.charge()
    url = f"{acquiring.acquirer_url}/charges/{charge_id}"
    eventually(lambda: http("GET", url, told={"Authorization": f"Bearer {API_KEY}"})[0] == 200)
    acquiring.connector.kill()

    acquiring.connector.start()

    heard: list[tuple[str, str]] = []
    eventually(
        lambda: (
            heard.extend(taken(acquiring))
            or {"ChargeAccepted", "ChargeSettled"} <= {kind for kind, _ in heard}
        )
    )
    assert len({event_id for kind, event_id in heard if kind == "ChargeSettled"}) == 1


def test_no_card_is_logged(acquiring: Acquiring) -> None:
    """A card's token is in no line of the log."""
    acquiring.charge("tok_nonsense")
    acquiring.side.hears(acquirer_pb2.ChargeRefused)

    assert "tok_nonsense" not in acquiring.connector.log.read_text()
