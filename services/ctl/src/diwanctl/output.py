"""Output of all commands: tables for people, JSON for programs."""

import json
import os
from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any, Final

import click
from google.protobuf import json_format
from google.protobuf.message import Message
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

_PAGE_WIDTH: Final = 1000
_WORDS_KEPT: Final = 2
_NANO: Final = Decimal("1e-9")
_CONTROLS: Final = {
    code: "\N{REPLACEMENT CHARACTER}" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) != "\n"
}


def as_dict(message: Message) -> dict[str, Any]:
    """A message as proto-JSON, with the proto's field names and with empty fields."""
    return json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def emit(context: click.Context, value: Any, *, without: Collection[str] = ()) -> None:
    """Print a value: rows as a table, a mapping as a list of its fields; with `--json` as JSON, complete.

    Args:
        context: of the command.
        value: rows or a mapping, of JSON types.
        without: columns to omit from a table.
    """
    if context.find_root().params["as_json"]:
        click.echo(json.dumps(value, ensure_ascii=False, indent=2))
    elif isinstance(value, list):
        print_table(value, without)
    else:
        print_fields(value)


def print_table(rows: list[Mapping[str, Any]], without: Collection[str] = ()) -> None:
    """Print rows as a table with a column for each field of any row."""
    if not rows:
        click.echo("none")
        return
    columns = dict.fromkeys(name for row in rows for name in row if name not in without)
    cells = [[formatted(row.get(column, "")) for column in columns] for row in rows]
    table = Table(box=None, pad_edge=False)
    for column, values in zip(columns, zip(*cells, strict=True), strict=True):
        table.add_column(column, no_wrap=not any(map(_is_prose, (column, *values))))
    for row_cells in cells:
        table.add_row(*row_cells)
    console = _console()
    if _fits(table, console):
        console.print(table)
        return
    for number, row_cells in enumerate(cells):
        if number:
            click.echo()
        _print_record(dict(zip(columns, row_cells, strict=True)), console)


def print_fields(value: Mapping[str, Any]) -> None:
    """Print a line for each field, and below them a table for each field that holds rows."""
    tables = {name: field for name, field in value.items() if _has_rows(field)}
    _print_record({name: formatted(field) for name, field in value.items() if name not in tables}, _console())
    for name, rows in tables.items():
        click.echo(f"\n{name}:")
        print_table(rows)


def _print_record(fields: Mapping[str, str], console: Console) -> None:
    """Print a line for each field; on a terminal that is too narrow, the value below the name."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=not any(map(_is_prose, fields.values())))
    for name, value in fields.items():
        table.add_row(name, value)
    if _fits(table, console):
        console.print(table)
        return
    for name, value in fields.items():
        # Not broken here: a terminal that wraps it still copies it as one word.
        click.echo(f"{name}\n  {value}")


def _is_prose(text: str) -> bool:
    """Whether a text may be wrapped at its blanks. Ids, times and amounts with a currency are one thing each."""
    return len(text.split()) > _WORDS_KEPT


def _fits(table: Table, console: Console) -> bool:
    """Whether the table can be printed without breaking a word."""
    # Measured on a wide page, because a measure is cut to the width of its page.
    wide = console.options.update(max_width=_PAGE_WIDTH)
    return Measurement.get(console, wide, table).minimum <= console.width


def _console() -> Console:
    """The terminal, or a wide page for a file or pipe, whose reader expects a row on a line."""
    # Values are no markup: `[/x]` would raise, and `:key:` become a picture.
    console = Console(markup=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _PAGE_WIDTH
    return console


def formatted(value: Any) -> str:
    """The value for people: money with its currency, a date in ISO 8601, rows within a row on a line each.

    Control characters are replaced: a terminal would obey them.
    """
    match value:
        case str():
            return value.translate(_CONTROLS)
        case {"currency_code": currency, "units": units, "nanos": nanos}:
            return f"{int(units) + nanos * _NANO:.2f} {currency}"
        case {"year": year, "month": month, "day": day}:
            return f"{year:04}-{month:02}-{day:02}"
        case list() if _has_rows(value):
            return "\n".join("  ".join(map(formatted, row.values())) for row in value)
        case _:
            return json.dumps(value, ensure_ascii=False).translate(_CONTROLS)


def _has_rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], Mapping)
