"""The runtime of connectors.

A connector is a nameko service at the edge: it takes a request from a queue, performs slow and unreliable I/O with
an external system, and publishes the outcome.

A connector's program patches the standard library before it imports anything else (`chassis.greenlets.patch()`),
then calls `run`. Nothing here imports gRPC or the store: eventlet cannot share a process with them.

    class SmsConnector:
        name = "sms"
        smsc = Smsc()

        @handles("sms.notification.message", SubmitSms)
        def submit(self, delivery: Delivery[SubmitSms]) -> Outcome: ...
"""

from chassis.connector.delivery import Delivery
from chassis.connector.events import OutboundEvent
from chassis.connector.handles import handles
from chassis.connector.http_server import HttpRequest, HttpResponse
from chassis.connector.outcomes import Done, Outcome, Park, Refused, Retry, Unknown
from chassis.connector.process import run
from chassis.connector.publisher import PublisherExtension
from chassis.connector.settings import ConnectorSettings
from chassis.connector.web import Web, serves

__all__ = [
    "ConnectorSettings",
    "Delivery",
    "Done",
    "HttpRequest",
    "HttpResponse",
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
