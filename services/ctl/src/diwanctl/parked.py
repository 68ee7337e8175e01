"""`diwan parked`: messages that a policy or a connector could not handle."""

import click
from diwan.operations.v1 import operations_pb2, operations_pb2_grpc

from diwanctl import parked_queues
from diwanctl.config import Config
from diwanctl.connection import call
from diwanctl.output import as_dict, emit

STUB = operations_pb2_grpc.OperationsServiceStub
service_argument = click.argument("service")
parked_argument = click.argument("parked_id")


@click.group()
def parked() -> None:
    """Messages that were parked after their last retry, of a service or of a connector (sms, acquirer)."""


@parked.command("list")
@service_argument
@click.option("--page-size", default=50, show_default=True, type=click.IntRange(1, 200))
@click.option("--page-token", default="", help="From the page before.")
@click.pass_context
def list_parked(context: click.Context, service: str, page_size: int, page_token: str) -> None:
    """List the parked messages of SERVICE, in the order of their ids."""
    if service in parked_queues.CONNECTORS:
        with parked_queues.open_channel(Config.of(context)) as channel:
            emit(context, [each.row() for each in parked_queues.read(channel, service, page_size)])
        return
    request = operations_pb2.ListParkedRequest(page_size=page_size, page_token=page_token)
    page = as_dict(call(context, service, STUB, "ListParked", request))
    emit(context, page["messages"])
    if page["next_page_token"]:
        click.echo(f"more: --page-token {page['next_page_token']}", err=True)


@parked.command()
@service_argument
@parked_argument
@click.pass_context
def show(context: click.Context, service: str, parked_id: str) -> None:
    """Show one parked message, personal fields masked."""
    if service in parked_queues.CONNECTORS:
        with parked_queues.open_channel(Config.of(context)) as channel:
            message = parked_queues.find(channel, service, parked_id)
        emit(context, {**message.row(), "masked_body": message.content()})
        return
    request = operations_pb2.GetParkedRequest(parked_id=parked_id)
    emit(context, as_dict(call(context, service, STUB, "GetParked", request)))


@parked.command()
@service_argument
@parked_argument
@click.pass_context
def replay(context: click.Context, service: str, parked_id: str) -> None:
    """Replay a parked message now."""
    if service in parked_queues.CONNECTORS:
        with parked_queues.open_channel(Config.of(context)) as channel:
            message = parked_queues.find(channel, service, parked_id)
            parked_queues.replay(channel, message)
        emit(context, message.row())
        return
    request = operations_pb2.ReplayParkedRequest(parked_id=parked_id)
    emit(context, as_dict(call(context, service, STUB, "ReplayParked", request)))


@parked.command()
@service_argument
@parked_argument
@click.option("--reason", required=True, help="Why it is discarded; logged.")
@click.pass_context
def discard(context: click.Context, service: str, parked_id: str, reason: str) -> None:
    """Discard a parked message for good."""
    if service in parked_queues.CONNECTORS:
        with parked_queues.open_channel(Config.of(context)) as channel:
            message = parked_queues.find(channel, service, parked_id)
            parked_queues.discard(channel, message)
        emit(context, {**message.row(), "discarded": reason})
        return
    request = operations_pb2.DiscardParkedRequest(parked_id=parked_id, reason=reason)
    emit(context, as_dict(call(context, service, STUB, "DiscardParked", request)))
