"""Operators' RPCs: list, show, replay and discard parked messages (`diwan.operations.v1`)."""

import json

from diwan.operations.v1 import operations_pb2 as pb
from diwan.operations.v1 import operations_pb2_grpc as pb_grpc
from google.protobuf.descriptor import ServiceDescriptor

from chassis import log, protojson
from chassis.errors import ChassisError
from chassis.key_ring import KeyRing
from chassis.masks import mask_text, masked_message
from chassis.messaging import headers, inbound
from chassis.messaging.event_registry import event_option, event_type
from chassis.messaging.inbound import MessageRejected
from chassis.messaging.received_message import ReceivedMessage
from chassis.rpc.current import call
from chassis.store import Database, Inbox, InboxEntry, InboxFilter
from chassis.times import timestamp, to_datetime

DESCRIPTOR: ServiceDescriptor = pb.DESCRIPTOR.services_by_name["OperationsService"]

_log = log.get(__name__)


class ParkedNotFound(ChassisError):
    """No parked message has this id: it never existed, or was handled or discarded meanwhile."""

    reason = "PARKED_NOT_FOUND"
    code = "NOT_FOUND"


class SecretNotReplayed(ChassisError):
    """The message contains a secret (a code, a text): it is never sent or handled late."""

    reason = "SECRET_NOT_REPLAYED"
    code = "FAILED_PRECONDITION"


class ParkedUnreadable(ChassisError):
    """The message would be rejected again, because it cannot be read; `detail` names paths and rules."""

    reason = "PARKED_UNREADABLE"
    code = "FAILED_PRECONDITION"

    def __init__(self, rejection: MessageRejected) -> None:
        super().__init__(f"the message cannot be read: {rejection.reason}", detail=mask_text(str(rejection)))


class NotParked(ChassisError):
    """The message was replayed and is being processed, so it can be discarded only if it is parked again."""

    reason = "NOT_PARKED"
    code = "FAILED_PRECONDITION"


def service(database: Database, keys: KeyRing) -> tuple[ServiceDescriptor, object]:
    """Descriptor and servicer of the operators' RPCs on a service's inbox, for `rpc.server.Server`."""
    return DESCRIPTOR, OperationsApi(database.inbox, keys)


class OperationsApi(pb_grpc.OperationsServiceServicer):
    """OperationsService."""

    def __init__(self, inbox: Inbox, keys: KeyRing) -> None:
        self._inbox = inbox
        self._keys = keys

    async def ListParked(self, request: pb.ListParkedRequest, context: object) -> pb.ListParkedResponse:
        """A page of the parked messages that match, in the order of their ids; PageTokenInvalid."""
        page = await self._inbox.page(
            parked=True,
            matching=_filter(request),
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return pb.ListParkedResponse(
            messages=[_shown(entry) for entry in page.items], next_page_token=page.next_page_token
        )

    async def GetParked(self, request: pb.GetParkedRequest, context: object) -> pb.ParkedMessage:
        """One parked message with its masked body; ParkedNotFound."""
        entry = await self._parked(request.parked_id)
        shown = _shown(entry)
        shown.masked_body = _masked_body(entry)
        return shown

    async def ReplayParked(self, request: pb.ReplayParkedRequest, context: object) -> pb.ParkedMessage:
        """Make a message due now; one that is due already is unchanged.

        Raises:
            ParkedNotFound: see the class; so for SecretNotReplayed and ParkedUnreadable.
        """
        entry = await self._inbox.get(request.parked_id)
        if entry is None:
            raise ParkedNotFound
        if _secret(entry):
            raise SecretNotReplayed
        self._check_readable(entry)
        if request.validate_only:
            return _shown(entry)
        if await self._inbox.replay(entry.id):
            _log.warning("parked message replayed", parked_id=entry.id, by=call().caller.id)
        return _shown(await self._inbox.get(entry.id) or entry)

    async def DiscardParked(
        self, request: pb.DiscardParkedRequest, context: object
    ) -> pb.DiscardParkedResponse:
        """Remove a message and log the operator and the reason; ParkedNotFound, NotParked."""
        entry = await self._inbox.get(request.parked_id)
        if entry is None:
            raise ParkedNotFound
        if not entry.parked:
            raise NotParked
        if await self._inbox.delete(
            entry.id
        ):  # of two concurrent calls only one deletes, so one line is logged
            _log.warning(
                "parked message discarded",
                parked_id=entry.id,
                type=_header(entry, headers.TYPE),
                by=call().caller.id,
                why=request.reason,
            )
        return pb.DiscardParkedResponse()

    async def _parked(self, parked_id: str) -> InboxEntry:
        entry = await self._inbox.get(parked_id)
        if entry is None or not entry.parked:
            raise ParkedNotFound
        return entry

    def _check_readable(self, entry: InboxEntry) -> None:
        """Raise ParkedUnreadable for a message that the policies' process would reject before any policy."""
        try:
            event, kind = ReceivedMessage.of(entry).read()
            inbound.parse(event, kind, self._keys)
        except MessageRejected as rejection:
            raise ParkedUnreadable(rejection) from None


def _header(entry: InboxEntry, name: str) -> str:
    return str(entry.headers.get(name, ""))


def _filter(request: pb.ListParkedRequest) -> InboxFilter:
    return InboxFilter(
        policy=request.policy,
        queue=request.queue,
        headers={headers.TYPE: request.type},
        reason=request.reason,
        since=to_datetime(request.min_receive_time) if request.HasField("min_receive_time") else None,
        before=to_datetime(request.max_receive_time) if request.HasField("max_receive_time") else None,
    )


def _secret(entry: InboxEntry) -> bool:
    kind = event_type(_header(entry, headers.TYPE))
    option = event_option(kind) if kind else None
    return option is not None and option.secret


def _shown(entry: InboxEntry) -> pb.ParkedMessage:
    return pb.ParkedMessage(
        parked_id=entry.id,
        policy=entry.policy,
        queue=entry.queue,
        # The publisher sets these headers; in a rejected message they may hold any text.
        type=mask_text(_header(entry, headers.TYPE)),
        source=mask_text(_header(entry, headers.SOURCE)),
        attempts=entry.attempt,
        reason=mask_text(entry.reason),
        receive_time=timestamp(entry.at),
    )


def _masked_body(entry: InboxEntry) -> str:
    """The body as JSON with personal and sealed fields masked; only the size of a body that cannot be parsed."""
    kind = event_type(_header(entry, headers.TYPE))
    if kind is None:
        return json.dumps({"unreadable_bytes": len(entry.body)})
    try:
        message = protojson.loads(entry.body, kind)
    except protojson.Unreadable:
        return json.dumps({"unreadable_bytes": len(entry.body)})
    return json.dumps(masked_message(message), ensure_ascii=False)
