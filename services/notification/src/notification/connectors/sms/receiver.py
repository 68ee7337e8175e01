"""Publishing of the SMSC's receipts as events; the SMSC gets its response after the broker's confirm."""

import hashlib
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

import smpp34
from chassis import log, telemetry
from chassis.connector import OutboundEvent, PublisherExtension
from chassis.connector.publisher import Stopped, Unroutable
from diwan.notification.v1 import sms_pb2
from nameko.extensions import SharedExtension
from opentelemetry.trace import SpanKind

from notification.connectors.sms.receipts import Dialect, Receipt, Unreadable, parse_receipt
from notification.connectors.sms.settings import Settings
from notification.connectors.sms.smsc import Bind

SUBMITS_MAX: Final = 20_000
_SEQUENCE: Final = slice(12, 16)
"""The place of the sequence number in a PDU."""

_log = log.get(__name__)


@dataclass(frozen=True)
class _Submit:
    message_id: str
    traceparent: str
    correlation: str
    causation: str
    at: float


class Receiver(SharedExtension):  # type: ignore[misc]  # nameko has no types
    """Publishes receipts, in the trace of their submit if that is known and recent.

    A receipt that cannot be read is logged, counted, and published sealed, so that notification keeps it for an
    operator.
    """

    publisher = PublisherExtension()
    bind_to_smsc = Bind()

    def setup(self) -> None:
        settings: Settings = self.container.config["settings"]
        self._dialect: Dialect = settings.dialect
        self._submits: OrderedDict[str, _Submit] = OrderedDict()
        self._counter = telemetry.current().counter(
            "diwan_sms_receipts_total", "Delivery receipts, by state", ("state",)
        )
        self._unreadable = telemetry.current().counter(
            "diwan_sms_receipts_unreadable_total", "Delivery receipts that cannot be read", ("reason",)
        )
        self.bind_to_smsc.listen(self._on_deliver)

    def submitted(self, part_id: str, message_id: str, correlation: str, causation: str) -> None:
        """Store the message, the trace and the request number of a submitted part, for its receipt."""
        self._submits[part_id] = _Submit(
            message_id, telemetry.traceparent(), correlation, causation, time.monotonic()
        )
        while len(self._submits) > SUBMITS_MAX:
            self._submits.popitem(last=False)

    def _on_deliver(self, data: bytes) -> bool:
        try:
            receipt = parse_receipt(_decoded(data), self._dialect)
        except Unreadable as unreadable:
            return self._keep(data, str(unreadable))
        if receipt is None:
            # An SMS of a person, or an intermediate state: not processed.
            self._counter.labels("OTHER").inc()
            return True
        if not self._publish(receipt):
            return False
        self._counter.labels(sms_pb2.SmsReceiptState.Name(receipt.state)).inc()
        return True

    def _publish(self, receipt: Receipt) -> bool:
        submit = self._submits.get(receipt.part_id)
        late = submit is None or time.monotonic() - submit.at >= telemetry.SAME_TRACE_SECONDS
        event = OutboundEvent(
            sms_pb2.SmsReceipted(
                part_id=receipt.part_id,
                state=receipt.state,
                receipt_time=receipt.time,
                message_id=submit.message_id if submit else "",
                mobile="" if submit else receipt.mobile,
            ),
            subject=receipt.part_id,
            origin=f"{receipt.part_id}/{receipt.state}",
            causation=submit.causation if submit else "",
            correlation=submit.correlation if submit else "",
        )
        traceparent = submit.traceparent if submit else ""
        with (
            log.correlated(event.correlation),
            telemetry.continue_trace("deliver_sm", traceparent, late=late, kind=SpanKind.CONSUMER),
        ):
            return self._published(event)

    def _keep(self, data: bytes, reason: str) -> bool:
        """Publish an unreadable receipt; one that the SMSC repeats is the same event."""
        event = unreadable_event(data, reason)
        with telemetry.span("deliver_sm", kind=SpanKind.CONSUMER) as span:
            telemetry.failed(span, reason)
            if not self._published(event):
                return False
        _log.error("receipt cannot be read", reason=reason, event_id=event.id)
        self._unreadable.labels(reason).inc()
        return True

    def _published(self, event: OutboundEvent) -> bool:
        try:
            self.publisher.publish([event])
        except (Stopped, Unroutable):
            return False
        return True


def unreadable_event(data: bytes, reason: str) -> OutboundEvent:
    """The event of an unreadable receipt, with its PDU; the sequence number is 0, because a repetition has another."""
    pdu = data[: _SEQUENCE.start] + bytes(4) + data[_SEQUENCE.stop :]
    origin = hashlib.sha256(pdu).hexdigest()
    message = sms_pb2.SmsReceiptUnreadable(reason=reason, pdu=pdu.hex())
    # Its id may not be known, but an event without a subject is rejected.
    return OutboundEvent(message, subject=origin, origin=origin)


def _decoded(data: bytes) -> smpp34.DeliverSm:
    """The PDU; Unreadable if it is malformed."""
    try:
        pdu = smpp34.decode(data)
    except (smpp34.SmppError, ValueError):
        raise Unreadable("PDU_MALFORMED") from None
    if not isinstance(pdu, smpp34.DeliverSm):
        raise Unreadable("PDU_MALFORMED")
    return pdu
