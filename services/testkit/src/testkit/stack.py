"""Embedded stacks for tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from embedded.layout import Layout
from embedded.stack import Stack

from testkit import run


def empty_stack(folder: Path) -> Stack:
    """A stack of which nothing runs. Keys and logs are in its folder, its data where the run has its own."""
    folder.mkdir(parents=True, exist_ok=True)
    layout = Layout(folder)
    layout.data.symlink_to(run.scratch("stack-data"), target_is_directory=True)
    return Stack(layout, report=lambda _: None)


@contextmanager
def running_stack(folder: Path) -> Iterator[Stack]:
    """A stack that runs; taken down at the end."""
    made = empty_stack(folder)
    try:
        made.up()
        yield made
    finally:
        made.down()
