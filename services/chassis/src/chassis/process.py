"""The life of a process: its components start in any order, are watched, and stop within a limit on SIGTERM.

`chassis.service` says which components a service consists of. In time:

1. `run` reads the command line and the settings (exit status 2 for wrong ones), and starts log and telemetry.
2. `live` listens on the admin server's port and has `build` make the components.
3. All of them start at the same time. One that needs something which is not there yet is started again, with growing
   pauses; `Readiness` asks once a second for what the process needs, and answers gRPC health and `/readyz`.
4. A component that ends by itself, or fails for good, ends the process: exit status 1.
5. SIGTERM or SIGINT: not ready any more; components stop, the last first, within `drain_seconds`; telemetry is
   flushed; exit status 0. The second signal ends the process at once.
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
from chassis.errors import code_of
from chassis.readiness import Readiness
from chassis.settings import ProcessSettings
from chassis.times import Clock, utc_now

Role = Literal["api", "policies", "relay"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)

S = TypeVar("S", bound=ProcessSettings)

_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 5.0
_HARD_EXIT: Final = 130

_log = log.get(__name__)


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
        """Whether this process runs that role."""
        return role in self.roles


Build = Callable[[Env[S]], Awaitable[Sequence[Component]]]
"""Makes the components of a process, each after those that it uses, since they stop the other way round."""


def run(
    name: str, settings_class: type[S], build: Build[S], arguments: Sequence[str] | None = None
) -> NoReturn:
    """Run a process until SIGTERM (exit status 0) or until a component dies (1); 2 for wrong settings."""
    roles = _roles(name, settings_class, arguments)
    settings = startup.configure(name, settings_class, package=name)
    env = Env(name, settings, roles, Readiness(), utc_now)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        status = runner.run(live(env, build))
    sys.exit(status)


async def live(env: Env[S], build: Build[S]) -> int:
    """A process's life from the first component to the last flush. Its exit status."""
    stopping = asyncio.Event()
    _on_signals(stopping)
    admin = AdminServer(env.settings.http_listen, env.readiness)
    components: list[Component] = []
    status = 1
    try:
        await admin.start()
        status = await _until_stopped(_work(env, build, components), stopping)
    except Exception as error:  # noqa: BLE001 -- the last to catch it: one line in the log, then the process ends
        _log.error("process fails", error=type(error).__qualname__, exc_info=error)
    finally:
        env.readiness.close()
        await _stop([admin, *components], env.settings.drain_seconds)
        await asyncio.to_thread(telemetry.current().shutdown)
        _log.info("process ends", status=status)
    return status


async def _work(env: Env[S], build: Build[S], components: list[Component]) -> None:
    """Build, start and watch; ends only by the exception of the component that died."""
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
    """Start a component, again and again while something that it needs does not answer."""
    backoff = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE)
    while True:
        try:
            await component.start()
        except Exception as error:
            if not _waiting_repairs(error):
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


def _waiting_repairs(error: Exception) -> bool:
    return isinstance(error, OSError) or code_of(error, frozenset()) == "UNAVAILABLE"


async def _until_stopped(work: Coroutine[Any, Any, None], stopping: asyncio.Event) -> int:
    """0 once `stopping` is set; raises the exception that ended the work before."""
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
    """Stop the components, last first, together within the limit; one that hangs or fails does not keep the others."""
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
    def stop() -> None:
        if stopping.is_set():
            os._exit(_HARD_EXIT)  # the second signal: the sender cannot wait
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
        help=f"run this role alone: {', '.join(ROLES)}; may be given again",
    )
    return frozenset(parser.parse_args(arguments).only or ROLES)
