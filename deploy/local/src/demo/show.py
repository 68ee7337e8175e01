"""What a person sees while the journey runs."""

from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from demo.journey import Step
from demo.tree import Span

console = Console(highlight=False, width=None if Console().is_terminal else 140)


def step(done: Step) -> None:
    """Print a finished step with who did what and how long it took."""
    console.print(
        Text(f"\n{done.number}. {done.title}", style="bold"), Text(f"{done.seconds:.2f} s", style="dim")
    )
    table = Table.grid(padding=(0, 2))
    table.add_column(style="cyan", max_width=34)
    table.add_column(overflow="fold")
    for line in done.lines:
        table.add_row(Text(f"   {line.who}"), Text(line.what))
    console.print(table)


def trace(lines: list[str], spans: list[Span], trace_id: str) -> None:
    """Print the trace as a tree with a sentence on top."""
    services = sorted({span.service for span in spans})
    console.print(Text(f"\nThe journey as one trace, {trace_id}", style="bold"))
    console.print(f"   {len(spans)} spans of {len(services)} programs: {', '.join(services)}\n")
    for line in lines:
        console.print(Text(f"   {line}"), soft_wrap=True)


def left(folder: Path) -> None:
    """Print what was left for the person to open."""
    console.print(Text(f"\nLeft for you in {folder}", style="bold"))
    for path in sorted(folder.iterdir()):
        console.print(f"   {path.name}  {path.stat().st_size:,} bytes")


def failed(title: str, reason: str) -> None:
    """Print why the journey stopped."""
    console.print(Text(f"\n✗ {title}", style="bold red"))
    console.print(Text(f"   {reason}"))


def done(seconds: float) -> None:
    """Print the closing line."""
    console.print(
        Text(f"\nThe journey took {seconds:.1f} s, and every step did what it should.", style="bold green")
    )
