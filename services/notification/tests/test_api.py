"""Notification's RPCs: access to messages, and refusals with their reasons."""

from typing import Any

import pytest
from chassis.caller import Caller, Kind
from chassis.rpc.client import failure_of
from diwan.notification.v1 import notification_pb2 as pb
from grpc import RpcError
from testkit.service import OPERATOR, Trial

from .desk import api, citizen, send_code, uid

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]


async def test_a_citizen_sees_only_their_own(trial: Trial) -> None:
    """For messages of others the answer is that there are none."""
    mine, other = uid(), uid()
    message = await send_code(trial, mine)
    stub = api(trial)

    own = await stub.ListMessages(pb.ListMessagesRequest(), metadata=trial.bearer(citizen(mine)))
    got = await stub.GetMessage(
        pb.GetMessageRequest(message_id=message), metadata=trial.bearer(citizen(mine))
    )
    none = await stub.ListMessages(pb.ListMessagesRequest(), metadata=trial.bearer(citizen(other)))

    assert [one.message_id for one in own.messages] == [got.message_id] == [message]
    assert not none.messages
    for call in (
        stub.GetMessage(pb.GetMessageRequest(message_id=message), metadata=trial.bearer(citizen(other))),
        stub.ListMessages(pb.ListMessagesRequest(account_id=mine), metadata=trial.bearer(citizen(other))),
    ):
        assert await refusal(call) == ("NOT_FOUND", "MESSAGE_NOT_FOUND")


async def refusal(call: Any) -> tuple[str, str]:
    with pytest.raises(RpcError) as raised:
        await call
    failure = failure_of(raised.value)
    return failure.code, failure.reason


CLERK = Caller(kind=Kind.OFFICER, id="o-1", roles=frozenset({"clerk"}))


@pytest.mark.parametrize(
    ("rpc", "request_", "caller", "code_", "reason"),
    [
        ("GetMessage", pb.GetMessageRequest(message_id=uid()), OPERATOR, "NOT_FOUND", "MESSAGE_NOT_FOUND"),
        ("GetMessage", pb.GetMessageRequest(message_id="x"), OPERATOR, "INVALID_ARGUMENT", "VALIDATION"),
        ("GetMessage", pb.GetMessageRequest(message_id=uid()), None, "UNAUTHENTICATED", "TOKEN_MISSING"),
        ("GetMessage", pb.GetMessageRequest(message_id=uid()), CLERK, "PERMISSION_DENIED", "ACCESS_DENIED"),
        ("ListMessages", pb.ListMessagesRequest(page_size=201), OPERATOR, "INVALID_ARGUMENT", "VALIDATION"),
        ("ListMessages", pb.ListMessagesRequest(page_size=-1), OPERATOR, "INVALID_ARGUMENT", "VALIDATION"),
        (
            "ListMessages",
            pb.ListMessagesRequest(page_token="x"),
            OPERATOR,
            "INVALID_ARGUMENT",
            "PAGE_TOKEN_INVALID",
        ),
    ],
)
async def test_an_invalid_request_is_refused_with_its_reason(
    trial: Trial, rpc: str, request_: Any, caller: Caller | None, code_: str, reason: str
) -> None:
    """Each row is an invalid request with its code and reason."""
    assert await refusal(getattr(api(trial), rpc)(request_, metadata=trial.bearer(caller))) == (code_, reason)


async def test_pages_are_newest_first_and_complete(trial: Trial) -> None:
    """A page token is valid only for the query that returned it."""
    account = uid()
    messages = [await send_code(trial, account) for _ in range(5)]
    stub, metadata = api(trial), trial.bearer(OPERATOR)

    listed, tokens = [], [""]
    while tokens[-1] or not listed:
        page = await stub.ListMessages(
            pb.ListMessagesRequest(account_id=account, page_size=2, page_token=tokens[-1]), metadata=metadata
        )
        listed += [one.message_id for one in page.messages]
        tokens.append(page.next_page_token)

    assert listed == messages[::-1]
    other = pb.ListMessagesRequest(account_id=uid(), page_token=tokens[1])
    assert await refusal(stub.ListMessages(other, metadata=metadata)) == (
        "INVALID_ARGUMENT",
        "PAGE_TOKEN_INVALID",
    )
