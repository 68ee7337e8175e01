"""The SMS connector: one text in, one outcome out."""

import hashlib
from datetime import UTC, datetime, timedelta

from chassis import log, protojson, times
from chassis.connector import Delivery, Done, OutboundEvent, Outcome, Refused, Retry, Unknown, Web, handles
from diwan.notification.v1 import sms_pb2
from google.protobuf.message import Message
from nameko.extensions import DependencyProvider

from notification.connectors.sms import status, text
from notification.connectors.sms.receiver import Receiver
from notification.connectors.sms.session import AnswerUnknown, Malformed, NotSent
from notification.connectors.sms.settings import Settings
from notification.connectors.sms.smsc import Bind, Smsc

ALPHANUMERIC, INTERNATIONAL, ISDN = 5, 1, 1
UDH_INDICATOR = 0x40
FINAL_RECEIPT = 0x01
PERHAPS_SENT = "perhaps-sent"

_log = log.get(__name__)


class Context(DependencyProvider):  # type: ignore[misc]  # nameko has no types
    """Gives the method its settings and the receiver of receipts, and the process its health."""

    receiver = Receiver()
    web = Web()

    def get_dependency(self, _worker_ctx: object) -> "Context":
        return self

    @property
    def settings(self) -> Settings:
        """The connector's settings."""
        settings: Settings = self.container.config["settings"]
        return settings


class SmsConnector:
    """Takes `SubmitSms`, submits it part by part, publishes what the operator said."""

    name = "sms"
    smsc: Bind = Smsc()
    context: Context = Context()

    @handles("sms.notification.message", sms_pb2.SubmitSms)
    def submit(self, delivery: Delivery[sms_pb2.SubmitSms]) -> Outcome:
        """Submit a text. What was certainly not sent is tried again; a code that may have been sent is not."""
        message = delivery.message
        if delivery.expired(datetime.now(UTC)):
            return Refused((_event(delivery, sms_pb2.SmsExpired(message_id=message.message_id)),))
        if message.once and delivery.uncertain:
            return _unknown(delivery)
        content = protojson.loads(message.content, sms_pb2.SmsContent)
        if text.count(content.text) > self.context.settings.parts_max:
            return _refused(delivery, "TOO_LONG")
        return self._submit_parts(delivery, content)

    def _submit_parts(self, delivery: Delivery[sms_pb2.SubmitSms], content: sms_pb2.SmsContent) -> Outcome:
        """Submit the parts that an earlier try did not; their ids are the progress from try to try."""
        message_id = delivery.message.message_id
        reference = hashlib.sha256(message_id.encode()).digest()[0]
        unsure, taken = _progress(delivery)
        parts = text.parts(content.text, reference)[len(taken) :]
        # Made before the first is submitted: what goes wrong here sent nothing.
        for fields in [self._fields(delivery.message, content.mobile, part) for part in parts]:
            try:
                answer = self.smsc.submit(**fields)
                if answer.status == status.ROK:
                    taken.append(answer.part_id)
                    self._remember(delivery, answer.part_id)
            except NotSent:
                return _retry(delivery, "NOT_SENT", taken, unsure=unsure)
            except Malformed:
                return _refused(delivery, "INVALID_ADDRESS")
            except Exception as error:  # noqa: BLE001 -- whatever it was, the operator may have had the part
                reason = _reason(error)
                return (
                    _unknown(delivery)
                    if delivery.message.once
                    else _retry(delivery, reason, taken, unsure=True)
                )
            if status.later(answer.status):
                return _retry(delivery, status.name(answer.status), taken, unsure=unsure)
            if answer.status != status.ROK:
                return _refused(delivery, status.name(answer.status))
        return Done((_event(delivery, sms_pb2.SmsSubmitted(message_id=message_id, part_ids=taken)),))

    def _remember(self, delivery: Delivery[sms_pb2.SubmitSms], part_id: str) -> None:
        inbound = delivery.inbound
        self.context.receiver.submitted(part_id, inbound.correlation, inbound.id)

    def _fields(self, message: sms_pb2.SubmitSms, mobile: str, part: text.Part) -> dict[str, object]:
        return {
            "source_addr": self.context.settings.smsc_sender,
            "source_addr_ton": ALPHANUMERIC,
            "destination_addr": mobile.removeprefix("+"),
            "dest_addr_ton": INTERNATIONAL,
            "dest_addr_npi": ISDN,
            "short_message": part.data,
            "data_coding": part.data_coding,
            "esm_class": UDH_INDICATOR if part.concatenated else 0,
            "registered_delivery": FINAL_RECEIPT,
            "validity_period": _validity(message.expire_time),
        }


def _validity(expire_time: str) -> str:
    """How long the operator may keep trying, as SMPP's relative time; its own default when nothing is said."""
    if not expire_time:
        return ""
    left = max(times.parse_time(expire_time) - datetime.now(UTC), timedelta(seconds=1))
    if left.days > 30:
        return ""
    hours, rest = divmod(left.seconds, 3600)
    return f"0000{left.days:02}{hours:02}{rest // 60:02}{rest % 60:02}000R"


def _event(delivery: Delivery[sms_pb2.SubmitSms], message: Message) -> OutboundEvent:
    return delivery.event(message, subject=delivery.message.message_id)


def _refused(delivery: Delivery[sms_pb2.SubmitSms], reason: str) -> Refused:
    return Refused(
        (_event(delivery, sms_pb2.SmsRefused(message_id=delivery.message.message_id, reason=reason)),)
    )


def _unknown(delivery: Delivery[sms_pb2.SubmitSms]) -> Unknown:
    return Unknown((_event(delivery, sms_pb2.SmsUnknown(message_id=delivery.message.message_id)),))


def _progress(delivery: Delivery[sms_pb2.SubmitSms]) -> tuple[bool, list[str]]:
    """Whether an earlier try may have sent more than it knows of, and the ids of the parts that it knows of."""
    told = delivery.progress.split()
    unsure = told[:1] == [PERHAPS_SENT]
    return unsure or delivery.uncertain, told[1:] if unsure else told


def _reason(error: Exception) -> str:
    if isinstance(error, AnswerUnknown):
        return "ANSWER_UNKNOWN"
    _log.error("submit failed", exc_info=error)
    return type(error).__name__


def _retry(delivery: Delivery[sms_pb2.SubmitSms], reason: str, taken: list[str], *, unsure: bool) -> Retry:
    """Another try. Given up, it was refused only if no try may have sent it."""
    progress = " ".join([PERHAPS_SENT, *taken] if unsure else taken)
    gave_up = _unknown(delivery) if unsure else _refused(delivery, "GAVE_UP")
    return Retry(reason, progress=progress, giving_up=gave_up.events)
