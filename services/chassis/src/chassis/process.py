"""The life of a process: its components start in any order, are watched, and stop within a limit on SIGTERM.

`chassis.service` makes the components of a service. The sequence:

1. `run` reads the command line and the settings, and starts log and telemetry. Exit status 2 for a wrong setting, and
   for a key file or login that is found wrong later.
2. `live` listens on the admin server's port and calls `build`, which makes the components.
3. All components start at the same time. If a dependency is not available yet, the start is repeated with growing
   pauses. `Readiness` checks all dependencies once a second and sets the result of gRPC health and `/readyz`.
4. A component that ends before the stop, or fails permanently, ends the process: exit status 1.
5. SIGTERM or SIGINT: the process is not ready any more; components stop in reverse order within `drain_seconds`;
   telemetry is flushed; exit status 0. The second signal ends the process at once.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, Literal, NoReturn, TypeVar, get_args

import uvloop

from chassis import log, startup, telemetry
from chassis.admin_server import AdminServer
from chassis.backoff import Backoff
from chassis.components import Component, Watched
from chassis.errors import AddressTaken, code_of
from chassis.readiness import Readiness
from chassis.settings import EXIT_STATUS, ProcessSettings, WrongSetting, refuse
from chassis.store.errors import SchemaTooNew, StoreUnavailable
from chassis.times import Clock, utc_now

Role = Literal["api", "policies", "relay"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)

S = TypeVar("S", bound=ProcessSettings)

_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 5.0
_HARD_EXIT: Final = 130
_EXPLAINED: Final = (WrongSetting, AddressTaken, StoreUnavailable, SchemaTooNew)
"""Errors whose text says what an operator needs; a stack would hide it."""

_log = log.get(__name__)


@dataclass(frozen=True)
class Env(Generic[S]):
    """The environment of a process, from which `build` makes its components.

    Attributes:
        name: the service's name.
        settings: the settings as read from the environment.
        roles: the roles that this process runs: api, policies, relay.
        readiness: the checks that must succeed before the process is ready; `add` adds one.
        clock: current time, UTC.
    """

    name: str
    settings: S
    roles: frozenset[Role]
    readiness: Readiness
    clock: Clock

    def wants(self, role: Role) -> bool:
        """Whether this process runs the role."""
        return role in self.roles


Build = Callable[[Env[S]], Awaitable[Sequence[Component]]]
"""Makes the components of a process, each after those that it uses, because they stop in reverse order."""


def run(
    name: str, settings_class: type[S], build: Build[S], arguments: Sequence[str] | None = None
) -> NoReturn:
    """Run a process until SIGTERM (exit status 0) or until a component ends (1); 2 for wrong settings."""
    roles = _roles(name, settings_class, arguments)
    settings = startup.configure(name, settings_class, package=name)
    env = Env(name, settings, roles, Readiness(), utc_now)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        status = runner.run(live(env, build))
    sys.exit(status)


async def live(env: Env[S], build: Build[S]) -> int:
    """Run the process from the start of its components to the last flush; return its exit status."""
    stopping = asyncio.Event()
    _on_signals(stopping)
    admin = AdminServer(env.settings.http_listen, env.readiness)
    components: list[Component] = []
    status = 1
    try:
        await admin.start()
        status = await _until_stopped(_work(env, build, components), stopping)
    except Exception as error:  # noqa: BLE001 -- no caller above handles it: log it and end the process
        status = _report(env.name, error)
    finally:
        env.readiness.close()
        await _stop([admin, *components], env.settings.drain_seconds)
        await asyncio.to_thread(telemetry.current().shutdown)
        _log.info("process ends", status=status)
    return status


def _report(name: str, error: Exception) -> int:
    """Write why the process ends; return its exit status."""
    cause = error
    if isinstance(error, ExceptionGroup):
        cause = error.subgroup(_EXPLAINED) or error
    while isinstance(cause, ExceptionGroup):
        cause = cause.exceptions[0]
    if isinstance(cause, WrongSetting):
        refuse(name, cause)
        return EXIT_STATUS
    if isinstance(cause, _EXPLAINED):
        _log.error("process fails", error=type(cause).__qualname__, reason=str(cause))
    else:
        _log.error("process fails", error=type(cause).__qualname__, exc_info=error)
    return 1


async def _work(env: Env[S], build: Build[S], components: list[Component]) -> None:
    """Build, start and watch the components; ends only by the exception of a component that ended."""
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
    """Start a component; repeat the start while one of its dependencies is unavailable."""
    backoff = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE)
    while True:
        try:
            await component.start()
        except Exception as error:
            if not _is_transient(error):
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


def _is_transient(error: Exception) -> bool:
    return isinstance(error, OSError) or code_of(error, frozenset()) == "UNAVAILABLE"


async def _until_stopped(work: Coroutine[Any, Any, None], stopping: asyncio.Event) -> int:
    """0 when `stopping` is set; raises the exception of the work if the work ends first."""
    working = asyncio.create_task(work)
    signalled = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait({working, signalled}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            await working
        return 0
    finally:
        for task in (working, signalled):
            task.cancel()
        await asyncio.gather(working, signalled, return_exceptions=True)


async def _stop(components: Sequence[Component], seconds: float) -> None:
    """Stop the components in reverse order, all within the limit; one that hangs or fails does not block the others."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds + 1
    for component in reversed(components):
        try:
            async with asyncio.timeout_at(max(deadline, loop.time() + 0.5)):
                await component.stop()
        except Exception as error:  # noqa: BLE001 -- the others have to stop as well
            _log.warning(
                "component did not stop",
                component=component.name,
                error=type(error).__qualname__,
                exc_info=error,
            )


def _on_signals(stopping: asyncio.Event) -> None:
    def stop() -> None:
        if stopping.is_set():
            os._exit(_HARD_EXIT)  # the second signal requests an immediate end
        stopping.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):  # not in the main thread
            loop.add_signal_handler(number, stop)


def _roles(
    name: str, settings_class: type[ProcessSettings], arguments: Sequence[str] | None
) -> frozenset[Role]:
    parser = startup.command_line(name, settings_class)
    parser.add_argument(
        "--only",
        action="append",
        choices=ROLES,
        metavar="ROLE",
        help=f"run only this role: {', '.join(ROLES)}; may be repeated",
    )
    return frozenset(parser.parse_args(arguments).only or ROLES)
