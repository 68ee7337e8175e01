"""What every connector shares.

A connector is a nameko service at the edge: it takes a request from a queue, does slow and unreliable I/O with
something we do not own, and publishes what came of it.

A connector's program patches the standard library before it imports anything else (`chassis.greenlets.patch()`),
then calls `run`. Nothing here knows gRPC or the store: eventlet does not share a process with them.

    class SmsConnector:
        name = "sms"
        smsc = Smsc()

        @handles("sms.notification.message", SubmitSms)
        def submit(self, delivery: Delivery[SubmitSms]) -> Outcome: ...
"""

from chassis.connector.delivery import Delivery
from chassis.connector.events import OutboundEvent
from chassis.connector.handles import handles
from chassis.connector.outcomes import Done, Outcome, Park, Refused, Retry, Unknown
from chassis.connector.process import run
from chassis.connector.publisher import PublisherExtension
from chassis.connector.settings import ConnectorSettings
from chassis.connector.web import Answer, HttpRequest, Web, serves

__all__ = [
    "Answer",
    "ConnectorSettings",
    "Delivery",
    "Done",
    "HttpRequest",
    "OutboundEvent",
    "Outcome",
    "Park",
    "PublisherExtension",
    "Refused",
    "Retry",
    "Unknown",
    "Web",
    "handles",
    "run",
    "serves",
]
