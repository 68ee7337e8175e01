"""`python -m population`: write the people of the registry as JSON lines."""

import json
from dataclasses import asdict
from typing import TextIO

import click

from population import Person, people


@click.command()
@click.option("--seed", default=1, show_default=True, help="The same seed gives the same people.")
@click.option("--count", default=300, show_default=True, type=click.IntRange(min=0), help="Number of people.")
@click.option(
    "--out",
    default="-",
    type=click.File("w", encoding="utf-8"),
    help="File to write; - is the standard output.",
)
def main(seed: int, count: int, out: TextIO) -> None:
    """Write people of the registry, one JSON object per line."""
    out.writelines(_line(person) for person in people(seed=seed, count=count))


def _line(person: Person) -> str:
    return json.dumps(asdict(person), ensure_ascii=False, default=str) + "\n"


if __name__ == "__main__":
    main()
