"""The acquirer connector asked what became of a charge, on a real broker and a sandbox acquirer."""

import uuid

import pytest
from chassis.messaging import headers
from diwan.payments.v1 import acquirer_pb2
from testkit.connectors import eventually, http, take

from .conftest import API_KEY, Acquiring

pytestmark = pytest.mark.real


@pytest.mark.parametrize(
    ("card", "kind"),
    [("tok_ok", acquirer_pb2.ChargeSettled), ("tok_declined", acquirer_pb2.ChargeRefused)],
)
def test_inquiry_tells_what_the_callback_told(acquiring: Acquiring, card: str, kind: type) -> None:
    """The very same event, so that whichever comes first, both have one effect."""
    charge_id = acquiring.charge(card, correlationid="R-1")
    by_callback, told = acquiring.side.hears(kind)

    acquiring.inquire(charge_id)
    by_inquiry, told_again = acquiring.side.hears(kind)

    assert by_inquiry == by_callback
    assert told_again[headers.ID] == told[headers.ID]
    assert told_again[headers.CORRELATION] == "R-1"


def test_charge_that_the_acquirer_never_had_is_refused(acquiring: Acquiring) -> None:
    """No money was taken, and none will be."""
    charge_id = str(uuid.uuid4())
    acquiring.inquire(charge_id)

    refused, told = acquiring.side.hears(acquirer_pb2.ChargeRefused)

    assert (refused.charge_id, refused.payment_id) == (charge_id, f"payment-{charge_id[:8]}")
    assert refused.reason == "NEVER_TAKEN"
    assert told["user_id"] == "acquirer"


def test_charge_under_way_is_not_told_of(acquiring: Acquiring) -> None:
    """While the acquirer has not decided there is nothing to say, and nothing is parked."""
    charge_id = acquiring.charge("tok_slow")
    acquiring.side.hears(acquirer_pb2.ChargeAccepted)
    answered = 'diwan_acquirer_inquiries_total{code="",verdict="ACCEPTED"}'
    before = acquiring.metric(answered)

    acquiring.inquire(charge_id)
    eventually(lambda: acquiring.metric(answered) > before)

    assert acquiring.side.heard(acquirer_pb2.ChargeSettled) == []
    assert take(acquiring.side.broker, "operator", "acquirer.payments.inquiry.parked") == []


def test_inquiry_that_meets_no_acquirer_says_nothing(acquiring: Acquiring) -> None:
    """That nobody answers does not mean that nothing was taken; payments asks again."""
    acquiring.acquirer.kill()
    unsent = 'diwan_acquirer_inquiries_total{code="NOT_SENT",verdict="NOT_SENT"}'
    before = acquiring.metric(unsent)

    acquiring.inquire(str(uuid.uuid4()))
    eventually(lambda: acquiring.metric(unsent) > before)

    assert acquiring.side.heard(acquirer_pb2.ChargeRefused) == []
    acquiring.acquirer.start()


def test_charge_is_not_asked_for_after_its_time(acquiring: Acquiring) -> None:
    """An inquiry may have said that it was never taken: asked for now, it could be paid twice."""
    charge_id = acquiring.charge(expire_time="2026-01-01T00:00:00Z")
    done = 'outcome="unknown",queue="acquirer.payments.charge",reason=""'
    eventually(lambda: acquiring.metric(f"diwan_connector_deliveries_total{{{done}}}") >= 1)

    url = f"{acquiring.acquirer_url}/charges/{charge_id}"

    assert http("GET", url, told={"Authorization": f"Bearer {API_KEY}"})[0] == 404
