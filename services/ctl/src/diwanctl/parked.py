"""`diwan parked`: messages that a policy or a connector could not handle."""

from functools import partial
from itertools import islice

import click

from diwanctl import parked_bulk
from diwanctl.output import emit
from diwanctl.parked_bulk import bulk_options
from diwanctl.parked_filter import Filter, filter_options
from diwanctl.parked_source import Gone, ServiceSource, open_source

service_argument = click.argument("service")
parked_argument = click.argument("parked_id")
reason_option = click.option("--reason", required=True, help="Why it is discarded; a service logs it.")


@click.group()
def parked() -> None:
    """Messages that were parked after their last retry, of a service or of a connector (sms, acquirer)."""


@parked.command("list")
@service_argument
@filter_options
@click.option("--page-size", default=50, show_default=True, type=click.IntRange(1, 200))
@click.option("--page-token", default="", help="From the page before, with the same filter.")
@click.pass_context
def list_parked(
    context: click.Context, service: str, matching: Filter, page_size: int, page_token: str
) -> None:
    """List the parked messages of SERVICE: in the order of their ids, or a connector's oldest."""
    with open_source(context, service) as source:
        if not isinstance(source, ServiceSource):
            emit(context, list(islice(source.rows(matching), page_size)))
            return
        page = source.page(matching, page_size, page_token)
    emit(context, page["messages"])
    if page["next_page_token"]:
        click.echo(f"more: --page-token {page['next_page_token']}", err=True)


@parked.command()
@service_argument
@parked_argument
@click.pass_context
def show(context: click.Context, service: str, parked_id: str) -> None:
    """Show one parked message, personal fields masked."""
    with open_source(context, service) as source:
        emit(context, source.show(parked_id))


@parked.command()
@service_argument
@parked_argument
@click.pass_context
def replay(context: click.Context, service: str, parked_id: str) -> None:
    """Replay a parked message now. Exits with status 1 if it cannot be read, or must not be replayed."""
    with open_source(context, service) as source:
        emit(context, source.replay(parked_id))


@parked.command("replay-all")
@service_argument
@filter_options
@bulk_options
@click.pass_context
def replay_all(
    context: click.Context, service: str, *, matching: Filter, limit: int, rate: float, yes: bool
) -> None:
    """Replay the parked messages of SERVICE that match. Without --yes: only check which ones can be replayed.

    Exits with status 1 if one was refused; the others are replayed.
    """
    with open_source(context, service) as source:
        handle = partial(source.replay, validate_only=not yes)
        parked_bulk.run(context, source.rows(matching), handle, "replayed", limit=limit, rate=rate, yes=yes)


@parked.command()
@service_argument
@parked_argument
@reason_option
@click.pass_context
def discard(context: click.Context, service: str, parked_id: str, reason: str) -> None:
    """Discard a parked message for good. A second call has no further effect."""
    with open_source(context, service) as source:
        try:
            emit(context, source.discard(parked_id, reason))
        except Gone as gone:
            click.echo(f"nothing to discard: {gone.message}", err=True)


@parked.command("discard-all")
@service_argument
@filter_options
@reason_option
@bulk_options
@click.pass_context
def discard_all(
    context: click.Context,
    service: str,
    *,
    matching: Filter,
    reason: str,
    limit: int,
    rate: float,
    yes: bool,
) -> None:
    """Discard the parked messages of SERVICE that match, for good. Without --yes: only list them."""
    with open_source(context, service) as source:

        def handle(parked_id: str) -> None:
            if yes:
                source.discard(parked_id, reason)

        parked_bulk.run(context, source.rows(matching), handle, "discarded", limit=limit, rate=rate, yes=yes)
