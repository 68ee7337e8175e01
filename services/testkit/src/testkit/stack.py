"""Embedded stacks for tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from embedded.layout import Layout
from embedded.stack import Stack

from testkit import run


def empty_stack(folder: Path) -> Stack:
    """A stack without running programs. Keys and logs are in its folder, its data is in the run's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    layout = Layout(folder)
    layout.data.symlink_to(run.scratch("stack-data"), target_is_directory=True)
    return Stack(layout, report=lambda _: None)


@contextmanager
def running_stack(folder: Path) -> Iterator[Stack]:
    """Start a stack and stop it at the end of the block."""
    stack = empty_stack(folder)
    try:
        stack.up()
        yield stack
    finally:
        stack.down()
