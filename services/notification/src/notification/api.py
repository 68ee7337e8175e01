"""proto <-> model, nothing else."""

from chassis.rpc.current import call
from chassis.times import timestamp
from diwan.notification.v1 import notification_pb2 as pb
from diwan.notification.v1 import notification_pb2_grpc as pb_grpc

from notification import queries
from notification.context import Context
from notification.model import Message, MessageState


class NotificationApi(pb_grpc.NotificationServiceServicer):
    """NotificationService."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    async def ListMessages(self, request: pb.ListMessagesRequest, context: object) -> pb.ListMessagesResponse:
        shown, token = await queries.listed(
            self._ctx,
            call().caller,
            account_id=request.account_id,
            request_number=request.request_number,
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return pb.ListMessagesResponse(messages=[_message(one) for one in shown], next_page_token=token)

    async def GetMessage(self, request: pb.GetMessageRequest, context: object) -> pb.Message:
        return _message(await queries.get(self._ctx, call().caller, request.message_id))


def _message(message: Message) -> pb.Message:
    shown = pb.Message(
        message_id=message.message_id,
        account_id=message.account_id,
        template=message.template,
        request_number=message.request_number,
        state=_state(message.state),
        reason=message.reason,
        parts=len(message.parts),
        attempts=[pb.MessageAttempt(state=_state(s.state), time=timestamp(s.time)) for s in message.steps],
        create_time=timestamp(message.create_time),
    )
    if message.receipt_time is not None:
        shown.receipt_time.CopyFrom(timestamp(message.receipt_time))
    return shown


def _state(state: MessageState) -> pb.MessageState.ValueType:
    return pb.MessageState.Value(f"MESSAGE_STATE_{state.name}")
