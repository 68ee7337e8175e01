"""From the SMSC's receipts to events, answered to the SMSC only after the broker has confirmed them."""

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

from notification.connectors.sms.receipts import receipt
from notification.connectors.sms.settings import Settings
from notification.connectors.sms.smsc import Bind

REMEMBERED_MAX: Final = 20_000

_log = log.get(__name__)


@dataclass(frozen=True)
class _Submit:
    traceparent: str
    correlation: str
    causation: str
    at: float


class Receiver(SharedExtension):  # type: ignore[misc]  # nameko has no types
    """Publishes what receipts say, as part of the trace of their submit where that is known and fresh."""

    publisher = PublisherExtension()
    bind_to_smsc = Bind()

    def setup(self) -> None:
        self._settings: Settings = self.container.config["settings"]
        self._submits: OrderedDict[str, _Submit] = OrderedDict()
        self._counter = telemetry.current().counter(
            "diwan_sms_receipts_total", "Delivery receipts, by what they say", ("state",)
        )
        self.bind_to_smsc.listen(self._on_deliver)

    def submitted(self, part_id: str, correlation: str, causation: str) -> None:
        """Remember in which trace and journey a part was submitted."""
        self._submits[part_id] = _Submit(telemetry.traceparent(), correlation, causation, time.monotonic())
        while len(self._submits) > REMEMBERED_MAX:
            self._submits.popitem(last=False)

    def _on_deliver(self, pdu: smpp34.DeliverSm) -> bool:
        said = receipt(pdu, self._settings.smsc_utc_offset_hours)
        if said is None:
            # What a person sends to us, or a state on the way: nobody waits for it.
            self._counter.labels("OTHER").inc()
            return True
        known = self._submits.get(said.part_id)
        late = known is None or time.monotonic() - known.at >= telemetry.SAME_TRACE_SECONDS
        event = OutboundEvent(
            sms_pb2.SmsReceipted(part_id=said.part_id, state=said.state, receipt_time=said.time),
            subject=said.part_id,
            origin=f"{said.part_id}/{said.state}",
            causation=known.causation if known else "",
            correlation=known.correlation if known else "",
        )
        traceparent = known.traceparent if known else ""
        try:
            with (
                log.correlated(event.correlation),
                telemetry.following("deliver_sm", traceparent, late=late, kind=SpanKind.CONSUMER),
            ):
                self.publisher.publish([event])
        except (Stopped, Unroutable):
            return False
        self._counter.labels(sms_pb2.SmsReceiptState.Name(said.state)).inc()
        return True
