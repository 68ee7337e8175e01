"""The model of `deploy/platform.yaml`: programs, and what each publishes, reads, calls and reaches."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[4]
TABLE = CHECKOUT / "deploy" / "platform.yaml"
IDENTITY = "identity"
"""The service that issues tokens: every other service calls it for its keys, and is one of its audiences."""

REVOCATIONS = f"{IDENTITY}.access"
"""Identity's revocations of access tokens, which every other service reads: the chassis has the policy for them."""

SERVICE, CONNECTOR, INTEGRATOR, WEB, JOB, OPERATOR = (
    "service", "connector", "integrator", "web", "job", "operator",
)  # fmt: skip


@dataclass(frozen=True)
class Read:
    """A queue of a program, and what it is bound to.

    Attributes:
        queue: `<subscriber>.<source>.<entity>`.
        exchange: of the source, its events or its commands.
        keys: routing keys or patterns.
    """

    queue: str
    exchange: str
    keys: tuple[str, ...]

    def commands(self) -> tuple[tuple[str, str], ...]:
        """Exchange and key of each command that it reads; commands are read by name."""
        return tuple((self.exchange, key) for key in self.keys if self.exchange.endswith(".commands"))


@dataclass(frozen=True)
class Program:
    """One entry.

    Attributes:
        name: of the program, its user of the broker, its chart and the prefix of its settings.
        line: of the entry in the file.
        kind: one of the kinds above.
        about: what it owns or does, for the README.
        package: Python package that is started; its settings class is `<package>.settings.Settings`.
        image: the image that holds it, `diwan/<image>`.
        exchanges: those that it publishes on, `<name>.events`, `<name>.commands`.
        reads: its queues.
        calls: services whose API it calls.
        reaches: what it connects to outside the platform.
        reached_by: what connects to its HTTP port from outside.
        secrets: files of its credentials beside the addresses of broker and store.
        stream_days: reserved for the event log.
    """

    name: str
    line: int
    kind: str
    about: str
    package: str = ""
    image: str = ""
    exchanges: tuple[str, ...] = ()
    reads: tuple[Read, ...] = ()
    calls: tuple[str, ...] = ()
    reaches: tuple[str, ...] = ()
    reached_by: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    stream_days: int | None = None

    @property
    def top(self) -> str:
        """Top-level package, which is the name of its folder of sources: `notification`."""
        return self.package.partition(".")[0]

    @property
    def prefix(self) -> str:
        """Of its settings' variables: `SMS`."""
        return self.name.upper()


@dataclass(frozen=True)
class BrokerRules:
    """Settings of the whole broker; the fields are those of the table's section `broker`."""

    vhost: str
    retry_delays_seconds: tuple[int, ...]
    connector_delivery_limit: int
    policies: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Platform:
    """The whole table, checked."""

    broker: BrokerRules
    outside: Mapping[str, str]
    programs: Mapping[str, Program]

    def of(self, *kinds: str) -> tuple[Program, ...]:
        """Programs of these kinds, in the table's order."""
        return tuple(program for program in self.programs.values() if program.kind in kinds)

    def names(self, *kinds: str) -> tuple[str, ...]:
        """Names of the programs of these kinds, in the table's order."""
        return tuple(program.name for program in self.of(*kinds))

    @property
    def services(self) -> tuple[str, ...]:
        """Names of the services; each has a store, an API, and is an audience of tokens."""
        return self.names(SERVICE)

    @property
    def connectors(self) -> tuple[str, ...]:
        """Names of the connectors."""
        return self.names(CONNECTOR)

    @property
    def readers(self) -> tuple[str, ...]:
        """Names of the programs that fields may be sealed for."""
        return self.names(SERVICE, CONNECTOR)

    @property
    def clients(self) -> tuple[str, ...]:
        """Names of the programs that authenticate at identity by a key of their own."""
        return tuple(p.name for p in self.programs.values() if p.kind == SERVICE or p.calls)

    @property
    def users(self) -> tuple[str, ...]:
        """Names of the users of the broker."""
        return self.names(SERVICE, CONNECTOR, INTEGRATOR, OPERATOR)

    @property
    def installed(self) -> tuple[Program, ...]:
        """Programs that have a chart."""
        return self.of(SERVICE, CONNECTOR, WEB, JOB)


def sources(package: str) -> Path | None:
    """Folder of sources, `services/<folder>/src`, that holds a top-level package."""
    found = sorted(CHECKOUT.glob(f"services/*/src/{package}"))
    return found[0].parent if found else None
