"""The first thing that a connector's program does. Imports nothing of ours: what is there before stays as it is."""

import warnings


def patch() -> None:
    """Let the standard library switch greenlets where it waits; before anything else is imported, which may keep it."""
    # What eventlet says of its own future at every start is no news to who reads a pod's first lines.
    warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")

    # Not at the top: the import is what warns, and only connectors have eventlet installed.
    import eventlet  # noqa: PLC0415

    eventlet.monkey_patch()
