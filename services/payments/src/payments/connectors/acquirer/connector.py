"""The acquirer connector: charge requests and inquiries out, callbacks in."""

import time
from datetime import UTC, datetime
from pathlib import Path

from chassis import log, protojson, telemetry
from chassis.connector import (
    Answer,
    Delivery,
    Done,
    HttpRequest,
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
from payments.connectors.acquirer.api import Api, Said, Verdict
from payments.connectors.acquirer.callbacks import Callback
from payments.connectors.acquirer.settings import Settings

PERHAPS_CHARGED = "perhaps-charged"

_log = log.get(__name__)


class Context(DependencyProvider):  # type: ignore[misc]  # nameko has no types
    """Gives the methods what they need beside the API: key, publisher, counter."""

    publisher = PublisherExtension()
    web = Web()

    def setup(self) -> None:
        settings: Settings = self.container.config["settings"]
        self.window_seconds = settings.replay_window_seconds
        path: Path = settings.callback_key_file or settings.keys_dir / "callback.key"
        self.callback_key = bytes.fromhex(path.read_text(encoding="utf-8").strip())
        self.callbacks = telemetry.current().counter(
            "diwan_acquirer_callbacks_total",
            "Callbacks of the acquirer, by what was made of them",
            ("result",),
        )

    def get_dependency(self, _worker_ctx: object) -> "Context":
        return self


class AcquirerConnector:
    """Takes `RequestCharge` and `InquireCharge`, asks the acquirer, publishes what it says at once and later."""

    name = "acquirer"
    api: Api = Api()
    context: Context = Context()

    @handles("acquirer.payments.charge", acquirer_pb2.RequestCharge)
    def charge(self, delivery: Delivery[acquirer_pb2.RequestCharge]) -> Outcome:
        """Ask for a charge. It may be asked for any number of times: the acquirer makes one of one charge id."""
        message = delivery.message
        if delivery.expired(datetime.now(UTC)):
            # An inquiry may have said that it was never taken, and another be paid: the next one will tell.
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
            said = self.api.charge(message.charge_id, message.amount, card.card_token, metadata)
        except Exception as error:  # noqa: BLE001 -- whatever it was, the acquirer may have had the request
            _log.error("charge failed", exc_info=error)
            return Retry(type(error).__name__, progress=PERHAPS_CHARGED)
        return _outcome(delivery, said)

    @handles("acquirer.payments.inquiry", acquirer_pb2.InquireCharge)
    def inquire(self, delivery: Delivery[acquirer_pb2.InquireCharge]) -> Outcome:
        """Say what the callback should have said. Whatever stays open is inquired of again, by payments."""
        message = delivery.message
        said = self.api.inquire(message.charge_id)
        if said.verdict is Verdict.UNKNOWN_CHARGE:
            return Done((_refused(message, "NEVER_TAKEN", delivery),))
        if said.verdict is not Verdict.ACCEPTED:
            return Unknown()
        try:
            decided = callbacks.shown(said.charge)
        except callbacks.Misshapen as error:
            _log.error("charge shown is not of the agreed form", fields=str(error))
            return Unknown()
        if decided is None:
            return Done()
        if (decided.charge_id, decided.payment_id) != (message.charge_id, message.payment_id):
            _log.error("charge shown is another one", charge_id=message.charge_id)
            return Unknown()
        return Done((_event(decided),))

    @serves("POST", "/callbacks")
    def callback(self, call: HttpRequest) -> Answer:
        """204 once the event is with the broker; anything else makes the acquirer call again."""
        context = self.context
        try:
            callbacks.verify(
                context.callback_key, call.headers, call.body, time.time(), context.window_seconds
            )
            said = callbacks.read(call.body)
        except callbacks.Unsigned as error:
            context.callbacks.labels(f"unsigned_{error}").inc()
            _log.warning("callback is not signed by the acquirer", check=str(error))
            return Answer(401)
        except callbacks.Misshapen as error:
            context.callbacks.labels("misshapen").inc()
            _log.error("callback is not of the agreed form", fields=str(error))
            return Answer(422)
        try:
            self._tell(said)
        except (Stopped, Unroutable):
            context.callbacks.labels("not_published").inc()
            return Answer(503)
        context.callbacks.labels("settled" if said.settled else "refused").inc()
        return Answer(204)

    def _tell(self, said: Callback) -> None:
        """Publish, in the trace of the request if that was a moment ago."""
        asked = float(said.requested_at) if said.requested_at.isdecimal() else 0.0
        with (
            log.correlated(said.correlation),
            telemetry.following(
                "POST /callbacks",
                said.traceparent,
                late=time.time() - asked >= telemetry.SAME_TRACE_SECONDS,
                kind=SpanKind.SERVER,
                attributes={"http.request.method": "POST", "http.route": "/callbacks"},
            ),
        ):
            self.context.publisher.publish([_event(said)])


def _outcome(delivery: Delivery[acquirer_pb2.RequestCharge], said: Said) -> Outcome:
    ids = {"charge_id": delivery.message.charge_id, "payment_id": delivery.message.payment_id}
    if said.verdict is Verdict.ACCEPTED:
        accepted = acquirer_pb2.ChargeAccepted(**ids, acquirer_reference=said.reference)
        return Done((delivery.event(accepted, ids["charge_id"]),))
    if said.verdict is Verdict.REFUSED:
        return Refused((_refused(delivery.message, said.code, delivery),))
    if said.verdict is Verdict.CONFLICT:
        # Another charge bears this id: to say that this one was refused could be a lie about money.
        return Park(said.code)
    perhaps = delivery.progress == PERHAPS_CHARGED or said.verdict is Verdict.NO_ANSWER or delivery.uncertain
    if perhaps:
        # Once we cannot rule out that the acquirer has it, only its callback or an inquiry can tell.
        return Retry(said.code, progress=PERHAPS_CHARGED)
    return Retry(said.code, giving_up=(_refused(delivery.message, "GAVE_UP", delivery),))


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


def _event(said: Callback) -> OutboundEvent:
    """The same charge in the same state is the same event, however often the acquirer calls."""
    ids = {"charge_id": said.charge_id, "payment_id": said.payment_id}
    settled = acquirer_pb2.ChargeSettled(**ids, acquirer_reference=said.reference, amount=said.amount)
    refused = acquirer_pb2.ChargeRefused(**ids, reason=said.reason)
    return OutboundEvent(
        settled if said.settled else refused,
        subject=said.charge_id,
        origin=f"{said.charge_id}/{'settled' if said.settled else 'refused'}",
        causation=said.cause,
        correlation=said.correlation,
    )
