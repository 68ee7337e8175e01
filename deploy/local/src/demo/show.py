"""The output of the journey on the terminal."""

from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from demo.journey import Step
from demo.tree import Span

console = Console(highlight=False, width=None if Console().is_terminal else 140)


def step(finished: Step) -> None:
    """Print a finished step: its duration, its actors and their actions."""
    console.print(
        Text(f"\n{finished.number}. {finished.title}", style="bold"),
        Text(f"{finished.seconds:.2f} s", style="dim"),
    )
    table = Table.grid(padding=(0, 2))
    table.add_column(style="cyan", max_width=34)
    table.add_column(overflow="fold")
    for line in finished.lines:
        table.add_row(Text(f"   {line.actor}"), Text(line.text))
    console.print(table)


def trace(lines: list[str], spans: list[Span], trace_id: str) -> None:
    """Print the trace as a tree below a summary line."""
    services = sorted({span.service for span in spans})
    console.print(Text(f"\nThe journey as one trace, {trace_id}", style="bold"))
    console.print(f"   {len(spans)} spans of {len(services)} programs: {', '.join(services)}\n")
    for line in lines:
        console.print(Text(f"   {line}"), soft_wrap=True)


def output_files(folder: Path) -> None:
    """Print the files in the output folder with their sizes."""
    console.print(Text(f"\nOutput files in {folder}", style="bold"))
    for path in sorted(folder.iterdir()):
        console.print(f"   {path.name}  {path.stat().st_size:,} bytes")


def failed(title: str, reason: str) -> None:
    """Print a failure and its reason."""
    console.print(Text(f"\n✗ {title}", style="bold red"))
    console.print(Text(f"   {reason}"))


def passed(seconds: float) -> None:
    """Print the closing line of a journey without failures."""
    console.print(Text(f"\nThe journey took {seconds:.1f} s, and every step passed.", style="bold green"))
