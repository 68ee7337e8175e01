"""One way to print: a table for people, JSON for programs."""

import json
from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any, Final

import click
from google.protobuf import json_format
from google.protobuf.message import Message
from rich.console import Console
from rich.table import Table

_NANO: Final = Decimal("1e-9")


def as_dict(message: Message) -> dict[str, Any]:
    """A message as its proto-JSON, with the proto's own field names and empty fields shown."""
    return json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def emit(context: click.Context, value: Any, *, without: Collection[str] = ()) -> None:
    """Print one value: rows become a table, a mapping a list of its fields; JSON, and all of it, when asked for.

    Args:
        context: of the command.
        value: rows or a mapping, of what JSON has.
        without: columns for which a table has no room.
    """
    if context.find_root().params["as_json"]:
        click.echo(json.dumps(value, ensure_ascii=False, indent=2))
    elif isinstance(value, list):
        table_of(value, without)
    else:
        fields_of(value)


def table_of(rows: list[Mapping[str, Any]], without: Collection[str] = ()) -> None:
    """A column for each field that any of the rows has."""
    if not rows:
        click.echo("none")
        return
    columns = dict.fromkeys(name for row in rows for name in row if name not in without)
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(plain(row.get(column, "")) for column in columns))
    Console().print(table)


def fields_of(value: Mapping[str, Any]) -> None:
    """A line for each field, and a table below them for each that holds rows."""
    tables = {name: said for name, said in value.items() if _rows(said)}
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, said in value.items():
        if name not in tables:
            table.add_row(name, plain(said))
    Console().print(table)
    for name, rows in tables.items():
        click.echo(f"\n{name}:")
        table_of(rows)


def plain(value: Any) -> str:
    """As a person writes it: money with its currency, a date as ISO 8601 has it, rows within a row a line each."""
    match value:
        case str():
            return value
        case {"currency_code": currency, "units": units, "nanos": nanos}:
            return f"{int(units) + nanos * _NANO:.2f} {currency}"
        case {"year": year, "month": month, "day": day}:
            return f"{year:04}-{month:02}-{day:02}"
        case list() if _rows(value):
            return "\n".join("  ".join(map(plain, row.values())) for row in value)
        case _:
            return json.dumps(value, ensure_ascii=False)


def _rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], Mapping)
