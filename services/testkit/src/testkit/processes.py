"""The end of a process in a test: its exit status, with its log in the message of a failure."""

import subprocess
from collections.abc import Mapping, Sequence

SHOWN_CHARACTERS = 6000
LIMIT_SECONDS = 60


def run(
    command: Sequence[str],
    status: int = 0,
    *,
    environment: Mapping[str, str] | None = None,
    given: str | bytes | None = None,
) -> str:
    """Run a program and return its standard output; AssertionError with its whole output for another exit status.

    Args:
        command: program and arguments.
        status: expected exit status.
        environment: its variables; those of the test when None.
        given: its standard input.
    """
    completed = subprocess.run(  # noqa: S603 -- our own command
        command,
        input=given.encode() if isinstance(given, str) else given,
        env=environment,
        capture_output=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )
    output, errors = completed.stdout.decode(), completed.stderr.decode()
    check_status(completed.returncode, status, output + errors)
    return output


def check_status(status: int | None, wanted: int, log: str) -> None:
    """AssertionError with the end of the process's log unless it ended with the wanted exit status.

    Args:
        status: exit status; None for a process that has not ended.
        wanted: expected exit status.
        log: what the process wrote.
    """
    if status != wanted:
        ended = "has not ended" if status is None else f"ended with status {status}"
        raise AssertionError(f"the process {ended}, not {wanted}; its log:\n{log[-SHOWN_CHARACTERS:]}")
