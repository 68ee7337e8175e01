"""What a test does to a running notification: play identity and the connector, read messages."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from chassis.caller import Caller, Kind
from diwan.identity.v1 import events_pb2 as identity
from diwan.notification.v1 import notification_pb2 as pb
from diwan.notification.v1 import notification_pb2_grpc, sms_pb2
from google.protobuf import json_format
from testkit.service import OPERATOR, Trial, eventually

MOBILE = "+201012345678"
ORDERS = "sms.notification.message"
NUMBER = "DW-2026-0000042"


def uid() -> str:
    return str(uuid.uuid4())


def citizen(account: str) -> Caller:
    return Caller(kind=Kind.CITIZEN, id=account, channel="portal")


def api(trial: Trial) -> Any:
    return notification_pb2_grpc.NotificationServiceStub(trial.channel)


async def of(trial: Trial, account: str, caller: Caller | None = None) -> list[pb.Message]:
    answer = await api(trial).ListMessages(
        pb.ListMessagesRequest(account_id=account), metadata=trial.bearer(caller or OPERATOR)
    )
    return list(answer.messages)


async def enrol(trial: Trial, account: str, language: str = "") -> None:
    contact = identity.Contact(mobile=MOBILE, language=language)
    event = identity.AccountEnrolled(account_id=account, contact=json_format.MessageToJson(contact))
    await trial.publish("identity", event, subject=account)


def code(account: str = "", mobile: str = MOBILE, template: str = "code.sign_in", **values: str) -> Any:
    content = identity.MessageContent(mobile=mobile, values=values or {"code": "123456"})
    return identity.SendMessage(
        account_id=account,
        template=template,
        expire_time=(datetime.now(UTC) + timedelta(minutes=5)).isoformat(),
        content=json_format.MessageToJson(content),
    )


async def order(trial: Trial, account: str) -> tuple[sms_pb2.SubmitSms, sms_pb2.SmsContent]:
    """What the connector is ordered to submit for the newest message of an account."""
    newest = (await eventually(lambda: of(trial, account)))[0].message_id
    taken = await trial.taken(ORDERS, sms_pb2.SubmitSms, lambda one: one.message_id == newest)
    return taken, json_format.Parse(taken.content, sms_pb2.SmsContent())


async def sent(trial: Trial, account: str) -> str:
    """A code that has been handed to the connector; its message id."""
    before = len(await of(trial, account))
    await trial.publish("identity", code(account))

    async def made() -> bool:
        return len(await of(trial, account)) > before

    await eventually(made)
    taken, _ = await order(trial, account)
    return taken.message_id


async def came_to(trial: Trial, message: str, state: str) -> pb.Message:
    async def look() -> pb.Message | None:
        found = await api(trial).GetMessage(
            pb.GetMessageRequest(message_id=message), metadata=trial.bearer(OPERATOR)
        )
        return found if pb.MessageState.Name(found.state) == f"MESSAGE_STATE_{state}" else None

    return await eventually(look)


def submitted(message: str, *parts: str) -> sms_pb2.SmsSubmitted:
    return sms_pb2.SmsSubmitted(message_id=message, part_ids=parts)


def receipt(part: str, state: str = "DELIVERED") -> sms_pb2.SmsReceipted:
    return sms_pb2.SmsReceipted(
        part_id=part, state=sms_pb2.SmsReceiptState.Value(f"SMS_RECEIPT_STATE_{state}"), receipt_time=""
    )
