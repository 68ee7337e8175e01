"""What the acquirer connector makes of answers and faults, said by an acquirer of this test's own."""

from collections.abc import Callable
from typing import Any

from chassis.connector import Delivery, Outcome, Retry
from chassis.messaging.inbound import InboundEvent
from diwan.payments.v1 import acquirer_pb2
from payments.connectors.acquirer.api import ApiResult, Verdict
from payments.connectors.acquirer.connector import PERHAPS_CHARGED, AcquirerConnector


class Api:
    """Says one thing, or raises it."""

    def __init__(self, answer: ApiResult | Exception) -> None:
        self._answer = answer

    def charge(self, *_told: Any) -> ApiResult:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def charge(answer: ApiResult | Exception, progress: str = "") -> Retry:
    """The retry that comes of one delivery."""
    connector = AcquirerConnector()
    connector.api = Api(answer)  # type: ignore[assignment]
    message = acquirer_pb2.RequestCharge(charge_id="c", payment_id="p", card="{}")
    inbound = InboundEvent(
        queue="acquirer.payments.charge", exchange="payments.commands", id="e", subject="s"
    )
    made: list[Outcome] = []

    def process(handler: Callable[[Delivery[acquirer_pb2.RequestCharge]], Outcome]) -> None:
        made.append(handler(Delivery(message, inbound, progress=progress)))

    connector.charge(process)
    assert isinstance(made[0], Retry)
    return made[0]


def test_giving_up_what_was_never_asked_is_a_refusal() -> None:
    """When no try can have reached the acquirer, payments is told that the charge was refused."""
    assert [type(event.message).__name__ for event in charge(ApiResult(Verdict.NOT_SENT)).giving_up] == [
        "ChargeRefused"
    ]


def test_a_fault_of_ours_may_have_charged() -> None:
    """After a fault around the call nobody says that the card was not charged, at no later try."""
    first = charge(RuntimeError("bug"))
    second = charge(ApiResult(Verdict.NOT_SENT), first.progress)
    third = charge(ApiResult(Verdict.LATER), second.progress)

    assert [each.giving_up for each in (first, second, third)] == [()] * 3
    assert {each.progress for each in (first, second, third)} == {PERHAPS_CHARGED}
    assert first.reason == "RuntimeError"
