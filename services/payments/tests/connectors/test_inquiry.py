"""Inquiries of the acquirer connector, with a real broker and a sandbox acquirer."""

import uuid

import pytest
from chassis.messaging import headers
from diwan.payments.v1 import acquirer_pb2
from testkit.connectors import eventually, http, take

from .conftest import API_KEY, Acquiring

pytestmark = [pytest.mark.real, pytest.mark.process]


@pytest.mark.parametrize(
    ("card", "kind"),
    [("tok_ok", acquirer_pb2.ChargeSettled), ("tok_declined", acquirer_pb2.ChargeRefused)],
)
def test_inquiry_publishes_the_event_of_the_callback(acquiring: Acquiring, card: str, kind: type) -> None:
    """Both events have one id, so that they have one effect in any order."""
    charge_id = acquiring.charge(card, correlationid="R-1")
    by_callback, callback_headers = acquiring.side.hears(kind)

    acquiring.inquire(charge_id)
    by_inquiry, inquiry_headers = acquiring.side.hears(kind)

    assert by_inquiry == by_callback
    assert inquiry_headers[headers.ID] == callback_headers[headers.ID]
    assert inquiry_headers[headers.CORRELATION] == "R-1"


def test_charge_unknown_to_the_acquirer_is_refused(acquiring: Acquiring) -> None:
    """No money was taken, and none can be taken later."""
    charge_id = str(uuid.uuid4())
    acquiring.inquire(charge_id)

    refused, event_headers = acquiring.side.hears(acquirer_pb2.ChargeRefused)

    assert (refused.charge_id, refused.payment_id) == (charge_id, f"payment-{charge_id[:8]}")
    assert refused.reason == "NEVER_TAKEN"
    assert event_headers["user_id"] == "acquirer"


def test_inquiry_about_a_pending_charge_publishes_nothing(acquiring: Acquiring) -> None:
    """While the acquirer has not decided, there is no result, and nothing is parked."""
    charge_id = acquiring.charge("tok_slow")
    acquiring.side.hears(acquirer_pb2.ChargeAccepted)
    answered = 'diwan_acquirer_inquiries_total{code="",verdict="ACCEPTED"}'
    before = acquiring.metric(answered)

    acquiring.inquire(charge_id)
    eventually(lambda: acquiring.metric(answered) > before)

    assert acquiring.side.heard(acquirer_pb2.ChargeSettled) == []
    assert take(acquiring.side.broker, "operator", "acquirer.payments.inquiry.parked") == []


def test_inquiry_without_an_answer_publishes_nothing(acquiring: Acquiring) -> None:
    """A missing answer does not mean that no money was taken; payments inquires again."""
    acquiring.acquirer.kill()
    unsent = 'diwan_acquirer_inquiries_total{code="NOT_SENT",verdict="NOT_SENT"}'
    before = acquiring.metric(unsent)

    acquiring.inquire(str(uuid.uuid4()))
    eventually(lambda: acquiring.metric(unsent) > before)

    assert acquiring.side.heard(acquirer_pb2.ChargeRefused) == []
    acquiring.acquirer.start()


def test_expired_charge_request_is_not_sent(acquiring: Acquiring) -> None:
    """An inquiry may already have reported it as refused: a charge after that could be paid twice."""
    charge_id = acquiring.charge(expire_time="2026-01-01T00:00:00Z")
    done = 'outcome="unknown",queue="acquirer.payments.charge",reason=""'
    eventually(lambda: acquiring.metric(f"diwan_connector_deliveries_total{{{done}}}") >= 1)

    url = f"{acquiring.acquirer_url}/charges/{charge_id}"

    assert http("GET", url, told={"Authorization": f"Bearer {API_KEY}"})[0] == 404
