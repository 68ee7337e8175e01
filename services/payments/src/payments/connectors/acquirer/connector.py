"""The acquirer connector: sends charge requests and inquiries, receives callbacks."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from chassis import key_files, log, protojson, telemetry
from chassis.connector import (
    Delivery,
    Done,
    HttpRequest,
    HttpResponse,
    OutboundEvent,
    Outcome,
    Park,
    PublisherExtension,
    Refused,
    Retry,
    Unknown,
    Web,
    handles,
    serves,
)
from chassis.connector.publisher import Stopped, Unroutable
from diwan.payments.v1 import acquirer_pb2
from nameko.extensions import DependencyProvider
from opentelemetry.trace import SpanKind

from payments.connectors.acquirer import callbacks
from payments.connectors.acquirer.api import Api, ApiResult, Verdict
from payments.connectors.acquirer.callbacks import Callback
from payments.connectors.acquirer.settings import Settings

PERHAPS_CHARGED = "perhaps-charged"

_log = log.get(__name__)


class Context(DependencyProvider):  # type: ignore[misc]  # nameko has no types
    """Injects the callbacks' key, the publisher and a counter; starts the HTTP server."""

    publisher = PublisherExtension()
    web = Web()

    def setup(self) -> None:
        settings: Settings = self.container.config["settings"]
        self.window_seconds = settings.replay_window_seconds
        self.callback_key = key_files.read_hex(settings.callback_key_path)
        self.callbacks = telemetry.current().counter(
            "diwan_acquirer_callbacks_total",
            "Callbacks of the acquirer, by result",
            ("result",),
        )

    def get_dependency(self, _worker_ctx: object) -> "Context":
        return self


class AcquirerConnector:
    """Handles `RequestCharge` and `InquireCharge`, and publishes the acquirer's responses and callbacks."""

    name = "acquirer"
    api: Api = Api()
    context: Context = Context()

    @handles("acquirer.payments.charge", acquirer_pb2.RequestCharge)
    def charge(self, delivery: Delivery[acquirer_pb2.RequestCharge]) -> Outcome:
        """Request a charge. A repeated request is safe: the charge id is the acquirer's idempotency key."""
        message = delivery.message
        if delivery.expired(datetime.now(UTC)):
            # Not requested any more: an inquiry may have found no charge, and the citizen may have paid by another.
            # The next inquiry reports this one's state.
            return Unknown()
        card = protojson.loads(message.card, acquirer_pb2.CardContent)
        metadata = {
            "payment_id": message.payment_id,
            "cause": delivery.inbound.id,
            "correlation": delivery.inbound.correlation,
            "traceparent": telemetry.traceparent(),
            "requested_at": str(int(time.time())),
        }
        try:
            result = self.api.charge(message.charge_id, message.amount, card.card_token, metadata)
        except Exception as error:  # noqa: BLE001 -- after any error the acquirer may have the request
            _log.error("charge failed", exc_info=error)
            return Retry(type(error).__name__, progress=PERHAPS_CHARGED)
        return _outcome(delivery, result)

    @handles("acquirer.payments.inquiry", acquirer_pb2.InquireCharge)
    def inquire(self, delivery: Delivery[acquirer_pb2.InquireCharge]) -> Outcome:
        """Publish the event of a callback that did not come. Payments repeats the inquiry if no event follows."""
        message = delivery.message
        result = self.api.inquire(message.charge_id)
        if result.verdict is Verdict.UNKNOWN_CHARGE:
            return Done((_refused(message, "NEVER_TAKEN", delivery),))
        if result.verdict is not Verdict.ACCEPTED:
            return Unknown()
        try:
            decision = callbacks.parse_charge(result.body, result.content_type)
        except callbacks.Malformed as error:
            _log.error("charge is malformed", charge_id=message.charge_id, fields=str(error))
            return Unknown((_unreadable(error.report, message.charge_id, message.payment_id),))
        if decision is None:
            return Done()
        if (decision.charge_id, decision.payment_id) != (message.charge_id, message.payment_id):
            _log.error("inquiry returned another charge", charge_id=message.charge_id)
            return Unknown()
        return Done((_event(decision),))

    @serves("POST", "/callbacks")
    def callback(self, request: HttpRequest) -> HttpResponse:
        """204 once the broker has confirmed the event; after any other status the acquirer calls again.

        A signed callback that cannot be read is answered with 422, once it is published as evidence.
        """
        context = self.context
        try:
            callbacks.verify(
                context.callback_key, request.headers, request.body, time.time(), context.window_seconds
            )
            callback = callbacks.parse(request.body, request.headers.get("content-type", ""))
        except callbacks.SignatureInvalid as error:
            context.callbacks.labels(f"unsigned_{error}").inc()
            _log.warning("signature of a callback is invalid", check=str(error))
            return HttpResponse(401)
        except callbacks.Malformed as error:
            _log.error("callback is malformed", charge_id=error.report.charge_id, fields=str(error))
            return self._published(422, "malformed", partial(self._keep, error.report))
        return self._published(
            204, "settled" if callback.settled else "refused", partial(self._publish, callback)
        )

    def _published(self, status: int, result: str, publish: Callable[[], None]) -> HttpResponse:
        """Publish, count the result, and return the status; 503 if the event could not be published."""
        try:
            publish()
        except (Stopped, Unroutable):
            self.context.callbacks.labels("not_published").inc()
            return HttpResponse(503)
        self.context.callbacks.labels(result).inc()
        return HttpResponse(status)

    def _keep(self, report: callbacks.Unreadable) -> None:
        self.context.publisher.publish([_unreadable(report)])

    def _publish(self, callback: Callback) -> None:
        """Publish the event of a callback, in the trace of the charge request if that is recent."""
        requested_at = float(callback.requested_at) if callback.requested_at.isdecimal() else 0.0
        with (
            log.correlated(callback.correlation),
            telemetry.continue_trace(
                "POST /callbacks",
                callback.traceparent,
                late=time.time() - requested_at >= telemetry.SAME_TRACE_SECONDS,
                kind=SpanKind.SERVER,
                attributes={"http.request.method": "POST", "http.route": "/callbacks"},
            ),
        ):
            self.context.publisher.publish([_event(callback)])


def _outcome(delivery: Delivery[acquirer_pb2.RequestCharge], result: ApiResult) -> Outcome:
    ids = {"charge_id": delivery.message.charge_id, "payment_id": delivery.message.payment_id}
    if result.verdict is Verdict.ACCEPTED:
        accepted = acquirer_pb2.ChargeAccepted(**ids, acquirer_reference=result.reference)
        return Done((delivery.event(accepted, ids["charge_id"]),))
    if result.verdict is Verdict.REFUSED:
        return Refused((_refused(delivery.message, result.code, delivery),))
    if result.verdict is Verdict.CONFLICT:
        # Another charge has this id, and may have taken the money: this one cannot be published as refused.
        return Park(result.code)
    perhaps_charged = (
        delivery.progress == PERHAPS_CHARGED or result.verdict is Verdict.NO_ANSWER or delivery.uncertain
    )
    if perhaps_charged:
        # The acquirer may have the request: only its callback or an inquiry gives the outcome.
        return Retry(result.code, progress=PERHAPS_CHARGED)
    return Retry(result.code, giving_up=(_refused(delivery.message, "GAVE_UP", delivery),))


def _refused(
    charge: acquirer_pb2.RequestCharge | acquirer_pb2.InquireCharge,
    reason: str,
    delivery: Delivery[acquirer_pb2.RequestCharge] | Delivery[acquirer_pb2.InquireCharge],
) -> OutboundEvent:
    return OutboundEvent(
        acquirer_pb2.ChargeRefused(charge_id=charge.charge_id, payment_id=charge.payment_id, reason=reason),
        subject=charge.charge_id,
        origin=f"{charge.charge_id}/refused",
        causation=delivery.inbound.id,
        correlation=delivery.inbound.correlation,
    )


def _unreadable(report: callbacks.Unreadable, charge_id: str = "", payment_id: str = "") -> OutboundEvent:
    """The event of a report that cannot be read; the ids of an inquiry precede what could be read."""
    charge_id = charge_id or report.charge_id
    message = acquirer_pb2.ReportUnreadable(
        charge_id=charge_id,
        payment_id=payment_id or report.payment_id,
        fields=report.fields,
        content=report.content,
        digest=report.digest,
    )
    return OutboundEvent(message, subject=charge_id or report.digest, origin=report.digest)


def _event(callback: Callback) -> OutboundEvent:
    """The event of a callback; a repeated callback repeats it, another content is another event."""
    ids = {"charge_id": callback.charge_id, "payment_id": callback.payment_id}
    settled = acquirer_pb2.ChargeSettled(**ids, acquirer_reference=callback.reference, amount=callback.amount)
    refused = acquirer_pb2.ChargeRefused(**ids, reason=callback.reason)
    return OutboundEvent(
        settled if callback.settled else refused,
        subject=callback.charge_id,
        origin=f"{callback.charge_id}/{'settled' if callback.settled else 'refused'}",
        causation=callback.cause,
        correlation=callback.correlation,
    )
