"""`diwan ledger`: the journal of payments."""

import click
from diwan.payments.v1 import payments_pb2, payments_pb2_grpc

from diwanctl.connection import call
from diwanctl.output import as_dict, emit


@click.group()
def ledger() -> None:
    """Journal entries; every one sums to zero."""


@ledger.command("list")
@click.option("--payment", default="", help="Of this payment.")
@click.option("--request-number", default="", help="Of the case with this number, such as PA-….")
@click.option("--account", default="", help="With a leg on this account, such as agency/notary.")
@click.option("--page-size", default=50, show_default=True, type=click.IntRange(1, 500))
@click.option("--page-token", default="", help="From the page before.")
@click.pass_context
def list_entries(
    context: click.Context,
    *,
    payment: str,
    request_number: str,
    account: str,
    page_size: int,
    page_token: str,
) -> None:
    """List journal entries, oldest first."""
    request = payments_pb2.ListLedgerEntriesRequest(
        payment_id=payment,
        request_number=request_number,
        account=account,
        page_size=page_size,
        page_token=page_token,
    )
    stub = payments_pb2_grpc.PaymentServiceStub
    page = as_dict(call(context, "payments", stub, "ListLedgerEntries", request))
    emit(context, page["entries"])
    if page["next_page_token"]:
        click.echo(f"more: --page-token {page['next_page_token']}", err=True)
