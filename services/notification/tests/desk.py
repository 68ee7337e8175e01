"""Helpers that act on a running notification: publish as identity and the connector, and read messages."""

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
COMMANDS = "sms.notification.message"
NUMBER = "DW-2026-0000042"


def uid() -> str:
    return str(uuid.uuid4())


def citizen(account: str) -> Caller:
    return Caller(kind=Kind.CITIZEN, id=account, channel="portal")


def api(trial: Trial) -> Any:
    return notification_pb2_grpc.NotificationServiceStub(trial.channel)


async def messages_of(trial: Trial, account: str, caller: Caller | None = None) -> list[pb.Message]:
    answer = await api(trial).ListMessages(
        pb.ListMessagesRequest(account_id=account), metadata=trial.bearer(caller or OPERATOR)
    )
    return list(answer.messages)


async def enrol(trial: Trial, account: str, language: str = "") -> None:
    contact = identity.Contact(mobile=MOBILE, language=language)
    event = identity.AccountEnrolled(account_id=account, contact=json_format.MessageToJson(contact))
    await trial.publish("identity", event, subject=account)


def code_command(
    account: str = "", mobile: str = MOBILE, template: str = "code.sign_in", **values: str
) -> Any:
    content = identity.MessageContent(mobile=mobile, values=values or {"code": "123456"})
    return identity.SendMessage(
        account_id=account,
        template=template,
        expire_time=(datetime.now(UTC) + timedelta(minutes=5)).isoformat(),
        content=json_format.MessageToJson(content),
    )


async def submit_command(trial: Trial, account: str) -> tuple[sms_pb2.SubmitSms, sms_pb2.SmsContent]:
    """Take the command for the newest message of an account from the connector's queue; return it and its content."""
    newest = (await eventually(lambda: messages_of(trial, account)))[0].message_id
    command = await trial.taken(COMMANDS, sms_pb2.SubmitSms, lambda one: one.message_id == newest)
    return command, json_format.Parse(command.content, sms_pb2.SmsContent())


def phone() -> str:
    """Return a mobile for one test."""
    return f"+2012{uuid.uuid4().int % 10**8:08}"


async def send_code(trial: Trial, account: str, mobile: str = MOBILE) -> str:
    """Publish a code and wait for its command to the connector; return the message id."""
    before = len(await messages_of(trial, account))
    await trial.publish("identity", code_command(account, mobile))

    async def created() -> bool:
        return len(await messages_of(trial, account)) > before

    await eventually(created)
    command, _ = await submit_command(trial, account)
    return command.message_id


async def await_state(trial: Trial, message: str, state: str) -> pb.Message:
    async def poll() -> pb.Message | None:
        current = await api(trial).GetMessage(
            pb.GetMessageRequest(message_id=message), metadata=trial.bearer(OPERATOR)
        )
        return current if pb.MessageState.Name(current.state) == f"MESSAGE_STATE_{state}" else None

    return await eventually(poll)


def submitted(message: str, *parts: str) -> sms_pb2.SmsSubmitted:
    return sms_pb2.SmsSubmitted(message_id=message, part_ids=parts)


def receipt(
    part: str, state: str = "DELIVERED", *, message: str = "", mobile: str = ""
) -> sms_pb2.SmsReceipted:
    return sms_pb2.SmsReceipted(
        part_id=part,
        state=sms_pb2.SmsReceiptState.Value(f"SMS_RECEIPT_STATE_{state}"),
        message_id=message,
        mobile=mobile,
    )
