"""The life of a connector's process: settings, log, telemetry, start, SIGTERM, end."""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final, NoReturn, TypeVar

import eventlet
from eventlet.event import Event
from nameko.constants import MAX_WORKERS_CONFIG_KEY
from nameko.runners import ServiceRunner

from chassis import log, startup, telemetry
from chassis.connector.settings import ConnectorSettings
from chassis.errors import AddressTaken
from chassis.key_ring import KeyRing
from chassis.settings import EXIT_STATUS, WrongSetting, refuse

S = TypeVar("S", bound=ConnectorSettings)

_HARD_EXIT: Final = 130

_log = log.get(__name__)


def run(
    connector: type,
    settings_class: type[S],
    arguments: Sequence[str] | None = None,
    *,
    check_keys: Callable[[S], object] | None = None,
) -> NoReturn:
    """Run a connector until SIGTERM or SIGINT; never returns.

    Exit status 0 after an orderly stop; 1 when it failed, or was not done within `drain_seconds`; 2 for wrong settings;
    130 after a second signal.

    Args:
        connector: a nameko service class; its `name` is its broker user and its service name in traces.
        settings_class: its settings, read from the environment.
        arguments: of the command line; only `--help` is known.
        check_keys: reads the key files beside those of every connector; WrongSetting for a wrong one.
    """
    name = str(connector.name)  # type: ignore[attr-defined]  # nameko's own convention
    startup.command_line(name, settings_class).parse_args(arguments)
    settings = startup.configure(name, settings_class, package=connector.__module__.partition(".")[0])
    try:
        keys = KeyRing(name, settings.keys_dir)
        if check_keys is not None:
            check_keys(settings)
    except WrongSetting as error:
        _refuse(name, error)
    runner = ServiceRunner({"settings": settings, "keys": keys, MAX_WORKERS_CONFIG_KEY: settings.workers})
    runner.add_service(connector)
    stop = _Stop(runner, settings.drain_seconds)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop.on_signal)
    try:
        runner.start()
        _log.info("connector started")
        stop.started.send(None)
        runner.wait()
    except WrongSetting as error:
        _refuse(name, error)
    except AddressTaken as error:
        _log.error("connector failed", reason=str(error))
        _end(1)
    except Exception:  # noqa: BLE001 -- the end of the program, with its trace in the log
        _log.exception("connector failed")
        _end(1)
    _end(0)


def _refuse(name: str, error: WrongSetting) -> NoReturn:
    refuse(name, error)
    _end(EXIT_STATUS)


class _Stop:
    """The stop by signal: the first one finishes what is in hand, the second ends the process at once.

    Attributes:
        started: sent when the runner has started; a stop waits for it, because extensions stop only what has started.
    """

    def __init__(self, runner: Any, drain_seconds: float) -> None:
        self.started = Event()
        self._runner = runner
        self._drain_seconds = drain_seconds
        self._signalled = False

    def on_signal(self, *_: object) -> None:
        if self._signalled:
            os._exit(_HARD_EXIT)
        self._signalled = True
        # Not here: the handler may interrupt the hub, which must not wait.
        eventlet.spawn_n(self._leave)

    def _leave(self) -> None:
        """Stop the runner; `run` then ends the process. Late work is delivered again, to another process."""
        _log.info("connector stops")
        try:
            with eventlet.Timeout(self._drain_seconds):
                self.started.wait()
                self._runner.stop()
        except eventlet.Timeout:
            _log.warning("drain is over", seconds=self._drain_seconds)
            _end(1)
        except Exception:  # noqa: BLE001 -- without an end, the process would stay half stopped
            _log.exception("connector did not stop")
            _end(1)


def _end(status: int) -> NoReturn:
    """End the process with this status, which what the last steps raise does not change."""
    try:
        telemetry.current().shutdown()
        sys.stdout.flush()
    # eventlet's Timeout is no Exception.
    except BaseException:  # noqa: BLE001 -- see the docstring
        _log.exception("telemetry was not flushed")
    finally:
        # Threads of libraries, and greenlets that wait for a dead peer, must not hold the end up.
        os._exit(status)
