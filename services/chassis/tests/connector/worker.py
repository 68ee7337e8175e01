"""A connector whose outcome is chosen by the text of its message; the tests run it as a program."""

import eventlet

eventlet.monkey_patch()

import json  # noqa: E402

from chassis import log  # noqa: E402
from chassis.connector import (  # noqa: E402
    ConnectorSettings,
    Delivery,
    Done,
    OutboundEvent,
    Outcome,
    Retry,
    Web,
    handles,
    run,
)
from diwan.notification.v1 import sms_pb2  # noqa: E402
from nameko.extensions import DependencyProvider  # noqa: E402
from pydantic_settings import SettingsConfigDict  # noqa: E402


class WorkerSettings(ConnectorSettings):
    model_config = SettingsConfigDict(env_prefix="WORKER_")


class Health(DependencyProvider):  # type: ignore[misc]
    web = Web()


class Worker:
    name = "sms"
    health = Health()

    @handles("sms.notification.message", sms_pb2.SubmitSms)
    def work(self, delivery: Delivery[sms_pb2.SubmitSms]) -> Outcome:
        verb = json.loads(delivery.message.content)["text"]
        if verb == "raise":
            raise RuntimeError("secret of +201012345678")
        if verb == "give up":
            return Retry("REQUESTED", giving_up=(self._event(delivery, sms_pb2.SmsRefused),))
        if verb == "count":
            return Retry("REQUESTED", progress="half") if not delivery.attempt else self._done(delivery)
        if verb == "count, then raise":
            if delivery.attempt:
                raise RuntimeError("Fatma Hassanein")
            return Retry("REQUESTED", progress="half")
        if verb == "slow":
            log.get("worker").info("slow work begins", message_id=delivery.message.message_id)
            eventlet.sleep(1)
        return self._done(delivery)

    def _done(self, delivery: Delivery[sms_pb2.SubmitSms]) -> Done:
        return Done((self._event(delivery, sms_pb2.SmsSubmitted, part_ids=[delivery.progress]),))

    def _event(self, delivery: Delivery[sms_pb2.SubmitSms], kind: type, **fields: object) -> OutboundEvent:
        return delivery.event(kind(message_id=delivery.message.message_id, **fields))


run(Worker, WorkerSettings)
