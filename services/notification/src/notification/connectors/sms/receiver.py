"""Publishing of the SMSC's receipts as events; the SMSC gets its response after the broker's confirm."""

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

from notification.connectors.sms.receipts import parse_receipt
from notification.connectors.sms.settings import Settings
from notification.connectors.sms.smsc import Bind

SUBMITS_MAX: Final = 20_000

_log = log.get(__name__)


@dataclass(frozen=True)
class _Submit:
    traceparent: str
    correlation: str
    causation: str
    at: float


class Receiver(SharedExtension):  # type: ignore[misc]  # nameko has no types
    """Publishes receipts, in the trace of their submit if that is known and recent."""

    publisher = PublisherExtension()
    bind_to_smsc = Bind()

    def setup(self) -> None:
        self._settings: Settings = self.container.config["settings"]
        self._submits: OrderedDict[str, _Submit] = OrderedDict()
        self._counter = telemetry.current().counter(
            "diwan_sms_receipts_total", "Delivery receipts, by state", ("state",)
        )
        self.bind_to_smsc.listen(self._on_deliver)

    def submitted(self, part_id: str, correlation: str, causation: str) -> None:
        """Store the trace and the request number of a submitted part, for its receipt."""
        self._submits[part_id] = _Submit(telemetry.traceparent(), correlation, causation, time.monotonic())
        while len(self._submits) > SUBMITS_MAX:
            self._submits.popitem(last=False)

    def _on_deliver(self, pdu: smpp34.DeliverSm) -> bool:
        receipt = parse_receipt(pdu, self._settings.smsc_utc_offset_hours)
        if receipt is None:
            # An SMS of a person, or an intermediate state: not processed.
            self._counter.labels("OTHER").inc()
            return True
        submit = self._submits.get(receipt.part_id)
        late = submit is None or time.monotonic() - submit.at >= telemetry.SAME_TRACE_SECONDS
        event = OutboundEvent(
            sms_pb2.SmsReceipted(part_id=receipt.part_id, state=receipt.state, receipt_time=receipt.time),
            subject=receipt.part_id,
            origin=f"{receipt.part_id}/{receipt.state}",
            causation=submit.causation if submit else "",
            correlation=submit.correlation if submit else "",
        )
        traceparent = submit.traceparent if submit else ""
        try:
            with (
                log.correlated(event.correlation),
                telemetry.continue_trace("deliver_sm", traceparent, late=late, kind=SpanKind.CONSUMER),
            ):
                self.publisher.publish([event])
        except (Stopped, Unroutable):
            return False
        self._counter.labels(sms_pb2.SmsReceiptState.Name(receipt.state)).inc()
        return True
