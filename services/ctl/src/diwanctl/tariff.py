"""`diwan tariff`: published fees."""

from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import click
import yaml
from chassis.money import PIASTRES_A_POUND, money
from chassis.times import cairo_day, utc_now
from diwan.payments.v1 import payments_pb2, payments_pb2_grpc
from google.type import date_pb2, money_pb2

from diwanctl.connection import call
from diwanctl.output import as_dict, emit


@click.group()
def tariff() -> None:
    """Published fees."""


@tariff.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_context
def publish(context: click.Context, file: Path) -> None:
    """Publish the fees in FILE (YAML).

    Each fee has service, agency, amount and valid_from (a date, or `today`), and may have channel, governorate,
    valid_until, electronic_discount and platform_share. Amounts are pounds with two decimals, in quotes.
    """
    document = yaml.safe_load(file.read_text())
    if not isinstance(document, dict) or not isinstance(document.get("fees"), list):
        raise click.ClickException(f"{file} has no list `fees`")
    request = payments_pb2.PublishTariffRequest(
        fees=[fee(number, entry) for number, entry in enumerate(document["fees"], start=1)]
    )
    published = call(context, "payments", payments_pb2_grpc.PaymentServiceStub, "PublishTariff", request)
    emit(context, as_dict(published))


@tariff.command()
@click.argument("service")
@click.option("--channel", default="portal", show_default=True)
@click.option("--governorate", default="01", show_default=True, help="Two digits, as in the national ID.")
@click.option("--means", type=click.Choice(["card", "cash"]), default="card", show_default=True)
@click.pass_context
def quote(context: click.Context, service: str, channel: str, governorate: str, means: str) -> None:
    """Show today's fee of SERVICE, such as notary.power_of_attorney.general."""
    request = payments_pb2.GetQuoteRequest(
        service=service,
        channel=channel,
        governorate=governorate,
        means=payments_pb2.PaymentMeans.Value(f"PAYMENT_MEANS_{means.upper()}"),
    )
    stub = payments_pb2_grpc.PaymentServiceStub
    emit(context, as_dict(call(context, "payments", stub, "GetQuote", request)))


def fee(number: int, entry: dict[str, Any]) -> payments_pb2.Fee:
    """A fee of the file as a message; errors name its number in the file."""
    known = {field.name for field in payments_pb2.Fee.DESCRIPTOR.fields}
    if unknown := entry.keys() - known:
        raise click.ClickException(f"fee {number}: unknown {', '.join(sorted(unknown))}")
    if missing := {"service", "agency", "amount", "valid_from"} - entry.keys():
        raise click.ClickException(f"fee {number}: {', '.join(sorted(missing))} missing")
    message = payments_pb2.Fee(
        service=entry["service"],
        agency=entry["agency"],
        channel=entry.get("channel", "*"),
        governorate=str(entry.get("governorate", "*")),
        valid_from=day(number, entry["valid_from"]),
        amount=pounds(number, entry["amount"]),
        electronic_discount=pounds(number, entry.get("electronic_discount", "0")),
        platform_share=pounds(number, entry.get("platform_share", "0")),
    )
    if "valid_until" in entry:
        message.valid_until.CopyFrom(day(number, entry["valid_until"]))
    return message


def day(number: int, value: Any) -> date_pb2.Date:
    if value == "today":
        value = cairo_day(utc_now())
    if not isinstance(value, date):
        raise click.ClickException(f"fee {number}: {value!r} is not a date like 2026-01-31")
    return date_pb2.Date(year=value.year, month=value.month, day=value.day)


def pounds(number: int, value: Any) -> money_pb2.Money:
    try:
        amount = Decimal(value) if isinstance(value, str) else None
    except InvalidOperation:
        amount = None
    if amount is None or amount < 0 or amount != amount.quantize(Decimal("0.01")):
        raise click.ClickException(f'fee {number}: {value!r} is not an amount like "120.00" (in quotes)')
    return money(int(amount * PIASTRES_A_POUND))
