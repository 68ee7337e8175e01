"""The life of a connector's process: settings, log, telemetry, start, SIGTERM, end."""

import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

import eventlet
from nameko.constants import MAX_WORKERS_CONFIG_KEY
from nameko.runners import ServiceRunner

from chassis import log, startup, telemetry
from chassis.connector.settings import ConnectorSettings
from chassis.key_ring import KeyRing

_log = log.get(__name__)


def run(
    connector: type, settings_class: type[ConnectorSettings], arguments: Sequence[str] | None = None
) -> None:
    """Run a connector until SIGTERM or SIGINT; never returns.

    Args:
        connector: a nameko service class; its `name` is its broker user and its service name in traces.
        settings_class: its settings, read from the environment.
        arguments: of the command line; only `--help` is known.
    """
    name = str(connector.name)  # type: ignore[attr-defined]  # nameko's own convention
    startup.command_line(name, settings_class).parse_args(arguments)
    settings = startup.configure(name, settings_class, package=connector.__module__.partition(".")[0])
    runner = ServiceRunner(
        {
            "settings": settings,
            "keys": KeyRing(name, settings.keys_dir),
            MAX_WORKERS_CONFIG_KEY: settings.workers,
        }
    )
    runner.add_service(connector)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: eventlet.spawn_n(_leave, runner, settings.drain_seconds))
    runner.start()
    _log.info("connector started")
    try:
        runner.wait()
    except Exception:  # noqa: BLE001 -- the end of the program, with its trace in the log
        _log.exception("connector failed")
        _end(1)
    _end(0)


def _leave(runner: Any, drain_seconds: float) -> None:
    """Finish what is in hand and go; what is not finished in time is delivered again to whoever comes next."""
    _log.info("connector stops")
    try:
        with eventlet.Timeout(drain_seconds):
            runner.stop()
    except eventlet.Timeout:
        _log.warning("drain is over")
        _end(1)


def _end(status: int) -> None:
    telemetry.current().shutdown()
    sys.stdout.flush()
    # Threads of libraries, and greenlets that wait for a dead peer, must not hold the end up.
    os._exit(status)
