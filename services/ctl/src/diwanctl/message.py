"""`diwan message`: messages sent to people."""

import click
from diwan.notification.v1 import notification_pb2, notification_pb2_grpc

from diwanctl.connection import call
from diwanctl.output import as_dict, emit

STUB = notification_pb2_grpc.NotificationServiceStub


@click.group()
def message() -> None:
    """Messages sent to people, without their texts and mobile numbers."""


@message.command("list")
@click.option("--account", default="", help="To this account.")
@click.option("--request-number", default="", help="Of this journey, such as PA-2026-7Q4M2K9D.")
@click.option("--page-size", default=50, show_default=True, type=click.IntRange(1, 200))
@click.option("--page-token", default="", help="From the page before.")
@click.pass_context
def list_messages(
    context: click.Context, account: str, request_number: str, page_size: int, page_token: str
) -> None:
    """List messages, newest first; `show` has the steps of one."""
    request = notification_pb2.ListMessagesRequest(
        account_id=account, request_number=request_number, page_size=page_size, page_token=page_token
    )
    page = as_dict(call(context, "notification", STUB, "ListMessages", request))
    emit(context, page["messages"], without=("account_id", "attempts"))
    if page["next_page_token"]:
        click.echo(f"more: --page-token {page['next_page_token']}", err=True)


@message.command()
@click.argument("message_id")
@click.pass_context
def show(context: click.Context, message_id: str) -> None:
    """Show one message with its steps and its receipt."""
    request = notification_pb2.GetMessageRequest(message_id=message_id)
    emit(context, as_dict(call(context, "notification", STUB, "GetMessage", request)))
