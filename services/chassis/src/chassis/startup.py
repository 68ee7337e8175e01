"""The first steps of every program, service or connector: command line, settings, log and telemetry."""

import argparse
import importlib.metadata
from typing import TypeVar

from chassis import log, plain_lines, telemetry
from chassis.settings import EXIT_STATUS, ProcessSettings, WrongSetting, explain, load, refuse

S = TypeVar("S", bound=ProcessSettings)


def command_line(name: str, settings_class: type[ProcessSettings]) -> argparse.ArgumentParser:
    """The parser of a program's arguments; its `--help` lists every setting."""
    return argparse.ArgumentParser(
        prog=name, formatter_class=argparse.RawDescriptionHelpFormatter, epilog=explain(settings_class)
    )


def configure(name: str, settings_class: type[S], package: str) -> S:
    """Read the settings, then start log and telemetry.

    Args:
        name: the program's name, in log lines and traces.
        settings_class: the class of its settings.
        package: name of the distribution without `diwan-`; its version is part of traces and metrics.

    Raises:
        SystemExit: status 2, after a line for each wrong setting.
    """
    settings = load(settings_class, name)
    log.setup(name, settings.log_level)
    plain_lines.capture()
    try:
        telemetry.start(name, version(package))
    except WrongSetting as error:
        refuse(name, error)
        raise SystemExit(EXIT_STATUS) from None
    return settings


def version(package: str) -> str:
    """The version of the installed distribution `diwan-<package>`, "0" if it is not installed."""
    try:
        return importlib.metadata.version(f"diwan-{package}")
    except importlib.metadata.PackageNotFoundError:
        return "0"
