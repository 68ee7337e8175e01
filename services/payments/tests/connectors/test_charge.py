"""The acquirer connector's outcomes for answers and faults of an acquirer, which is a fake of this test."""

import ssl
from collections.abc import Callable
from typing import Any

import pytest
import requests
import urllib3
from chassis.connector import Delivery, Outcome, Retry
from chassis.messaging.inbound import InboundEvent
from diwan.payments.v1 import acquirer_pb2
from payments.connectors.acquirer.api import ApiResult, Verdict, failure_verdict, result_of
from payments.connectors.acquirer.connector import PERHAPS_CHARGED, AcquirerConnector


class Api:
    """Returns or raises one answer."""

    def __init__(self, answer: ApiResult | Exception) -> None:
        self._answer = answer

    def charge(self, *_arguments: Any) -> ApiResult:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def charge(answer: ApiResult | Exception, progress: str = "") -> Retry:
    """Return the outcome of one delivery, which must be a retry."""
    connector = AcquirerConnector()
    connector.api = Api(answer)  # type: ignore[assignment]
    message = acquirer_pb2.RequestCharge(charge_id="c", payment_id="p", card="{}")
    inbound = InboundEvent(
        queue="acquirer.payments.charge", exchange="payments.commands", id="e", subject="s"
    )
    outcomes: list[Outcome] = []

    def process(handler: Callable[[Delivery[acquirer_pb2.RequestCharge]], Outcome]) -> None:
        outcomes.append(handler(Delivery(message, inbound, progress=progress)))

    connector.charge(process)
    assert isinstance(outcomes[0], Retry)
    return outcomes[0]


def test_last_attempt_of_an_unsent_charge_is_a_refusal() -> None:
    """The charge is reported as refused when no attempt can have reached the acquirer."""
    assert [type(event.message).__name__ for event in charge(ApiResult(Verdict.NOT_SENT)).giving_up] == [
        "ChargeRefused"
    ]


def test_our_own_failure_may_have_charged() -> None:
    """After a failure during the call no attempt reports the charge as refused."""
    first = charge(RuntimeError("bug"))
    second = charge(ApiResult(Verdict.NOT_SENT), first.progress)
    third = charge(ApiResult(Verdict.LATER), second.progress)

    assert [each.giving_up for each in (first, second, third)] == [()] * 3
    assert {each.progress for each in (first, second, third)} == {PERHAPS_CHARGED}
    assert first.reason == "RuntimeError"


def tls(*arguments: Any) -> requests.exceptions.SSLError:
    """A TLS error as `requests` raises it when a connection is made or an answer is awaited."""
    cause = urllib3.exceptions.SSLError(ssl.SSLError(*arguments))
    return requests.exceptions.SSLError(urllib3.exceptions.MaxRetryError(None, "/charges", cause))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (requests.exceptions.ConnectTimeout(), Verdict.NOT_SENT),
        (requests.exceptions.ReadTimeout(), Verdict.NO_ANSWER),
        (tls(1, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed"), Verdict.NOT_SENT),
        (tls(1, "[SSL: DECRYPTION_FAILED_OR_BAD_RECORD_MAC] decryption failed"), Verdict.NO_ANSWER),
        (tls(1, "[SSL: TLSV1_ALERT_INTERNAL_ERROR] tlsv1 alert internal error"), Verdict.NO_ANSWER),
    ],
)
def test_a_charge_is_unsent_only_if_it_certainly_did_not_reach_the_acquirer(
    error: requests.exceptions.RequestException, verdict: Verdict
) -> None:
    """A TLS error while the answer is read does not lead to a refusal of a charge that may be settled."""
    assert failure_verdict(error) is verdict


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (b'"charge_not_found"', "CHARGE_NOT_FOUND"),
        (b'" Charge-Not-Found "', "CHARGE_NOT_FOUND"),
        (b'"Charge not found"', "HTTP_404"),
        (b'"Card 4000 0000 of N. N. is refused"', "HTTP_404"),
        (b'"404"', "HTTP_404"),
        (b"{}", "HTTP_404"),
    ],
)
def test_only_one_word_is_an_error_code(error: bytes, code: str) -> None:
    """The code is a label of metrics and decides about a charge; a sentence is of a person or of a proxy."""
    response = requests.Response()
    response.status_code, response._content = 404, b'{"error": ' + error + b"}"

    assert result_of(response).code == code
