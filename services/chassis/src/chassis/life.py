"""The life of a process: start its components in any order, watch them, and stop within a limit when asked.

    def main() -> None:
        run("notary", NotarySettings, build)

`build` wires what the service is made of and returns its components; it is all that a `__main__.py` holds.
"""

import argparse
import asyncio
import contextlib
import importlib.metadata
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, Literal, NoReturn, Protocol, TypeVar, get_args, runtime_checkable

import uvloop

from chassis import log, telemetry
from chassis.admin_server import AdminServer
from chassis.backoff import Backoff
from chassis.errors import code_of
from chassis.readiness import Readiness
from chassis.settings import ProcessSettings, explain, load
from chassis.times import utc_now
from chassis.tokens.keys import Clock

Role = Literal["api", "policies", "relay"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)

S = TypeVar("S", bound=ProcessSettings)

_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 5.0
_HARD_EXIT: Final = 130

_log = log.get(__name__)


class Component(Protocol):
    """Something that runs for as long as the process does.

    `start` returns once it runs. It may raise what waiting mends (OSError, or an error whose code is
    UNAVAILABLE): then it is asked again. `stop` finishes what is in hand; it is asked of components that never started
    too.
    """

    @property
    def name(self) -> str:
        """What the log calls it."""

    async def start(self) -> None:
        """Begin."""

    async def stop(self) -> None:
        """Finish what is in hand and end."""


@runtime_checkable
class Watched(Protocol):
    """A component that can die: `wait` ends, by returning or raising, when it does."""

    async def wait(self) -> None:
        """Until it ends."""


@dataclass(frozen=True)
class Env(Generic[S]):
    """What `build` is given.

    Attributes:
        name: of the service.
        settings: as read from the environment.
        roles: which of its components run here: api, policies, relay.
        readiness: `add` to it what must answer before the process is ready.
        clock: UTC.
    """

    name: str
    settings: S
    roles: frozenset[Role]
    readiness: Readiness
    clock: Clock

    def wants(self, role: Role) -> bool:
        """Whether this process runs that component."""
        return role in self.roles


Build = Callable[[Env[S]], Awaitable[Sequence[Component]]]
"""Wires a service: components in the order in which they lean on each other, since they stop the other way round."""


def run(
    name: str, settings_class: type[S], build: Build[S], arguments: Sequence[str] | None = None
) -> NoReturn:
    """Run a service until it is asked to stop (exit status 0) or a component dies (1); 2 for wrong settings."""
    roles = _arguments(name, settings_class, arguments)
    settings = load(settings_class, name)
    log.setup(name, settings.log_level)
    telemetry.start(name, _version(name))
    env = Env(name, settings, roles, Readiness(), utc_now)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        status = runner.run(live(env, build))
    sys.exit(status)


async def live(env: Env[S], build: Build[S]) -> int:
    """A process's life from the first component to the last flush. Its exit status."""
    stopping = asyncio.Event()
    _on_signals(stopping)
    http = AdminServer(env.settings.http_listen, env.readiness)
    components: list[Component] = []
    status = 1
    try:
        await http.start()
        status = await _until_asked(_work(env, build, components), stopping)
    except Exception as error:  # noqa: BLE001 -- the last to catch it: told in a line, then the process ends
        _log.error("process fails", error=type(error).__qualname__, exc_info=error)
    finally:
        env.readiness.close()
        await _stop([http, *components], env.settings.drain_seconds)
        await asyncio.to_thread(telemetry.current().shutdown)
        _log.info("process ends", status=status)
    return status


async def _work(env: Env[S], build: Build[S], components: list[Component]) -> None:
    """Build, start and watch; ends only by an exception, which says which component died."""
    components.extend(await build(env))
    async with asyncio.TaskGroup() as group:
        group.create_task(env.readiness.run())
        for component in components:
            group.create_task(_keep(component))


async def _keep(component: Component) -> None:
    await _start(component)
    if not isinstance(component, Watched):
        return
    await component.wait()
    msg = f"{component.name} ended by itself"
    _log.error(msg)
    raise RuntimeError(msg)


async def _start(component: Component) -> None:
    """Start a component, again and again while what it needs does not answer."""
    backoff = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE)
    while True:
        try:
            await component.start()
        except Exception as error:
            if not _waiting_mends(error):
                raise
            pause = backoff.next()
            _log.warning(
                "component waits",
                component=component.name,
                error=type(error).__qualname__,
                seconds=round(pause, 1),
            )
            await asyncio.sleep(pause)
        else:
            _log.info("component runs", component=component.name)
            return


def _waiting_mends(error: Exception) -> bool:
    return isinstance(error, OSError) or code_of(error, frozenset()) == "UNAVAILABLE"


async def _until_asked(work: Any, stopping: asyncio.Event) -> int:
    """0 when somebody asked us to stop; raises what the work died of."""
    working = asyncio.create_task(work)
    asked = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait({working, asked}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            await working
        return 0
    finally:
        for task in (working, asked):
            task.cancel()
        await asyncio.gather(working, asked, return_exceptions=True)


async def _stop(components: Sequence[Component], seconds: float) -> None:
    """Stop the components, last first, together within the limit; who hangs or fails does not keep the others."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + seconds + 1
    for component in reversed(components):
        try:
            async with asyncio.timeout_at(max(ends, loop.time() + 0.5)):
                await component.stop()
        except Exception as error:  # noqa: BLE001 -- the others have to stop as well
            _log.warning(
                "component did not stop",
                component=component.name,
                error=type(error).__qualname__,
                exc_info=error,
            )


def _on_signals(stopping: asyncio.Event) -> None:
    def ask() -> None:
        if stopping.is_set():
            os._exit(_HARD_EXIT)  # asked twice: somebody cannot wait
        stopping.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):  # not in the main thread
            loop.add_signal_handler(number, ask)


def _arguments(
    name: str, settings_class: type[ProcessSettings], arguments: Sequence[str] | None
) -> frozenset[Role]:
    parser = argparse.ArgumentParser(
        prog=name, formatter_class=argparse.RawDescriptionHelpFormatter, epilog=explain(settings_class)
    )
    parser.add_argument(
        "--only",
        action="append",
        choices=ROLES,
        metavar="PART",
        help=f"run this component alone: {', '.join(ROLES)}; may be given again",
    )
    chosen = parser.parse_args(arguments).only
    return frozenset(chosen or ROLES)


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(f"diwan-{name}")
    except importlib.metadata.PackageNotFoundError:
        return "0"
