"""The SMS connector: submits the text of each delivery and returns the outcome."""

from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote

from chassis import log, protojson, times
from chassis.connector import (
    Delivery,
    Done,
    OutboundEvent,
    Outcome,
    Park,
    Refused,
    Retry,
    Unknown,
    Web,
    handles,
)
from diwan.notification.v1 import sms_pb2
from google.protobuf.message import Message
from nameko.extensions import DependencyProvider

from notification import sms_text
from notification.connectors.sms import status
from notification.connectors.sms.receipts import read_part_id
from notification.connectors.sms.receiver import Receiver
from notification.connectors.sms.session import AnswerUnknown, Malformed, NotSent
from notification.connectors.sms.settings import Settings
from notification.connectors.sms.smsc import Bind, Smsc

ALPHANUMERIC, INTERNATIONAL, ISDN = 5, 1, 1
UDH_INDICATOR = 0x40
FINAL_RECEIPT = 0x01
PERHAPS_SENT = "perhaps-sent"
NO_ID = "%"
"""A submitted part without an id, in a delivery's progress; no quoted id is equal to it."""

_log = log.get(__name__)


class Context(DependencyProvider):  # type: ignore[misc]  # nameko has no types
    """Injects the settings and the receiver of receipts; starts the HTTP server."""

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
    """Handles `SubmitSms`: submits a text part by part, publishes the operator's answers."""

    name = "sms"
    smsc: Bind = Smsc()
    context: Context = Context()

    @handles("sms.notification.message", sms_pb2.SubmitSms)
    def submit(self, delivery: Delivery[sms_pb2.SubmitSms]) -> Outcome:
        """Submit a text. It is retried if it was certainly not sent; a code that may have been sent is not."""
        message = delivery.message
        if delivery.expired(datetime.now(UTC)):
            perhaps_sent, _ = _progress(delivery)
            if perhaps_sent:
                return _unknown(delivery)
            return Refused((_event(delivery, sms_pb2.SmsExpired(message_id=message.message_id)),))
        if message.once and delivery.uncertain:
            return _unknown(delivery)
        content = protojson.loads(message.content, sms_pb2.SmsContent)
        part_count = sms_text.count_parts(content.text)
        if part_count > self.context.settings.parts_max:
            return _refused(delivery, "TOO_LONG")
        if part_count > 1 and not content.HasField("reference"):
            return Park("REFERENCE_MISSING")
        return self._submit_parts(delivery, content)

    def _submit_parts(self, delivery: Delivery[sms_pb2.SubmitSms], content: sms_pb2.SmsContent) -> Outcome:
        """Submit the parts that earlier attempts did not; the ids of submitted parts are the delivery's progress."""
        perhaps_sent, part_ids = _progress(delivery)
        parts = sms_text.parts(content.text, content.reference)[len(part_ids) :]
        # All fields are built before the first submit, so that an error here means: nothing was sent.
        for fields in [self._fields(delivery.message, content.mobile, part) for part in parts]:
            try:
                answer = self.smsc.submit(**fields)
                if answer.status == status.ROK:
                    part_ids.append(self._part_id(answer.part_id))
                    if part_ids[-1]:
                        self._record_submitted(delivery, part_ids[-1])
            except NotSent:
                return _retry(delivery, "NOT_SENT", part_ids, perhaps_sent=perhaps_sent)
            except Malformed:
                return _refused(delivery, "INVALID_ADDRESS")
            except Exception as error:  # noqa: BLE001 -- after any other error the operator may have the part
                reason = _reason(error)
                return (
                    _unknown(delivery)
                    if delivery.message.once
                    else _retry(delivery, reason, part_ids, perhaps_sent=True)
                )
            if status.is_temporary(answer.status):
                return _retry(delivery, status.name(answer.status), part_ids, perhaps_sent=perhaps_sent)
            if answer.status != status.ROK:
                return _refused(delivery, status.name(answer.status))
        submitted = sms_pb2.SmsSubmitted(
            message_id=delivery.message.message_id,
            part_ids=[part_id for part_id in part_ids if part_id],
            parts_unknown=perhaps_sent or not all(part_ids),
        )
        return Done((_event(delivery, submitted),))

    def _part_id(self, text: str) -> str:
        """The operator's id of a part in the form of our events, "" without one; an id in another form as it is."""
        if not text:
            return ""
        try:
            return read_part_id(text, self.context.settings.smsc_answer_id)
        except ValueError:
            _log.warning("message id of an answer has another form than SMS_SMSC_ANSWER_ID")
            return text

    def _record_submitted(self, delivery: Delivery[sms_pb2.SubmitSms], part_id: str) -> None:
        inbound = delivery.inbound
        self.context.receiver.submitted(part_id, delivery.message.message_id, inbound.correlation, inbound.id)

    def _fields(self, message: sms_pb2.SubmitSms, mobile: str, part: sms_text.Part) -> dict[str, object]:
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
    """The validity period as SMPP's relative time; empty, the operator's default, without an expiry or over 30 days."""
    if not expire_time:
        return ""
    period = max(times.parse_time(expire_time) - datetime.now(UTC), timedelta(seconds=1))
    if period.days > 30:
        return ""
    hours, rest = divmod(period.seconds, 3600)
    return f"0000{period.days:02}{hours:02}{rest // 60:02}{rest % 60:02}000R"


def _event(delivery: Delivery[sms_pb2.SubmitSms], message: Message) -> OutboundEvent:
    return delivery.event(message, subject=delivery.message.message_id)


def _refused(delivery: Delivery[sms_pb2.SubmitSms], reason: str) -> Refused:
    return Refused(
        (_event(delivery, sms_pb2.SmsRefused(message_id=delivery.message.message_id, reason=reason)),)
    )


def _unknown(delivery: Delivery[sms_pb2.SubmitSms]) -> Unknown:
    return Unknown((_event(delivery, sms_pb2.SmsUnknown(message_id=delivery.message.message_id)),))


def _progress(delivery: Delivery[sms_pb2.SubmitSms]) -> tuple[bool, list[str]]:
    """Whether an earlier attempt may have sent a part without recording it, and the ids of the recorded parts."""
    words = delivery.progress.split()
    perhaps_sent = words[:1] == [PERHAPS_SENT]
    quoted = words[1:] if perhaps_sent else words
    part_ids = ["" if word == NO_ID else unquote(word) for word in quoted]
    return perhaps_sent or delivery.uncertain, part_ids


def _reason(error: Exception) -> str:
    if isinstance(error, AnswerUnknown):
        return "ANSWER_UNKNOWN"
    _log.error("submit failed", exc_info=error)
    return type(error).__name__


def _retry(
    delivery: Delivery[sms_pb2.SubmitSms], reason: str, part_ids: list[str], *, perhaps_sent: bool
) -> Retry:
    """A retry. After the last attempt the text is refused if no attempt may have sent it, else unknown."""
    # Quoted, because an id may contain a blank or be missing: the number of words is the number of submitted parts.
    words = [quote(part_id, safe="") or NO_ID for part_id in part_ids]
    progress = " ".join([PERHAPS_SENT, *words] if perhaps_sent else words)
    giving_up = _unknown(delivery) if perhaps_sent else _refused(delivery, "GAVE_UP")
    return Retry(reason, progress=progress, giving_up=giving_up.events)
