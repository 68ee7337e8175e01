"""One way to print: a table for people, JSON for programs."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click
from google.protobuf import json_format
from google.protobuf.message import Message
from rich.console import Console
from rich.table import Table


def as_dict(message: Message) -> dict[str, Any]:
    """A message as its proto-JSON, with the proto's own field names and empty fields shown."""
    return json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def emit(context: click.Context, value: Any) -> None:
    """Print one value: rows become a table, a mapping a list of its fields; JSON when asked for."""
    if context.find_root().params["as_json"]:
        click.echo(json.dumps(value, ensure_ascii=False, indent=2))
    elif isinstance(value, Sequence) and not isinstance(value, str):
        table_of(list(value))
    else:
        fields_of(value)


def table_of(rows: list[Mapping[str, Any]]) -> None:
    if not rows:
        click.echo("none")
        return
    table = Table(box=None, pad_edge=False)
    for column in rows[0]:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(plain(value) for value in row.values()))
    Console().print(table)


def fields_of(value: Mapping[str, Any]) -> None:
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, said in value.items():
        table.add_row(name, plain(said))
    Console().print(table)


def plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
