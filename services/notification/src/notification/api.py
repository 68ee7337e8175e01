"""Translation between protobuf messages and the model."""

from chassis.mapping import to_message
from chassis.rpc.current import call
from diwan.notification.v1 import notification_pb2 as pb
from diwan.notification.v1 import notification_pb2_grpc as pb_grpc

from notification import queries
from notification.context import Context
from notification.model import Message


class NotificationApi(pb_grpc.NotificationServiceServicer):
    """gRPC servicer of NotificationService."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    async def ListMessages(self, request: pb.ListMessagesRequest, context: object) -> pb.ListMessagesResponse:
        page = await queries.listed(
            self._ctx,
            call().caller,
            account_id=request.account_id,
            request_number=request.request_number,
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return pb.ListMessagesResponse(
            messages=[_message(message) for message in page.items], next_page_token=page.next_page_token
        )

    async def GetMessage(self, request: pb.GetMessageRequest, context: object) -> pb.Message:
        return _message(await queries.get(self._ctx, call().caller, request.message_id))


def _message(message: Message) -> pb.Message:
    return to_message(message, pb.Message, parts=len(message.parts), attempts=message.steps)
