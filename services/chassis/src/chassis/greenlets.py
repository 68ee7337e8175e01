"""eventlet's monkey patch, the first call of a connector's program. Imports nothing of ours before it."""

import warnings


def patch() -> None:
    """Make blocking calls of the standard library switch greenlets; to be called before any other import."""
    # eventlet's deprecation warning would open every log of a pod.
    warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")

    # Not at the top: the import is what warns, and only connectors have eventlet installed.
    import eventlet  # noqa: PLC0415

    eventlet.monkey_patch()
