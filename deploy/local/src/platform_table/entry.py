"""One entry of `deploy/platform.yaml`: its fields by kind, each checked, and the program that they make."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from platform_table.facts import Facts, routing_key
from platform_table.located import Located
from platform_table.table import (
    CHECKOUT,
    CONNECTOR,
    IDENTITY,
    INTEGRATOR,
    JOB,
    OPERATOR,
    REVOCATIONS,
    SERVICE,
    WEB,
    Program,
    Read,
    sources,
)

NAME = re.compile(r"[a-z]+")
SECRET = re.compile(r"[a-z]+(-[a-z]+)*")
PACKAGE = re.compile(r"[a-z_]+(\.[a-z_]+)*")
CONNECTOR_PACKAGE = re.compile(r"[a-z_]+\.connectors\.[a-z_]+")
PUBLISHED = ("events", "commands")
STREAM_DAYS_MAX = 30

_ALWAYS = frozenset({"kind", "about"})
_CODE = frozenset({"package", "image"})
_EDGE = frozenset({"reaches", "reached_by", "secrets"})
NEEDED: Mapping[str, frozenset[str]] = {
    SERVICE: _ALWAYS | _CODE | {"publishes"},
    CONNECTOR: _ALWAYS | _CODE | {"publishes", "reads"},
    INTEGRATOR: _ALWAYS | {"publishes"},
    WEB: _ALWAYS | _CODE | {"calls"},
    JOB: _ALWAYS | _CODE | {"calls"},
    OPERATOR: _ALWAYS | _CODE | {"calls"},
}
ALLOWED: Mapping[str, frozenset[str]] = {
    SERVICE: NEEDED[SERVICE] | _EDGE | {"reads", "calls", "stream"},
    CONNECTOR: NEEDED[CONNECTOR] | _EDGE | {"stream"},
    INTEGRATOR: NEEDED[INTEGRATOR] | {"reads", "stream"},
    WEB: NEEDED[WEB] | _EDGE,
    JOB: NEEDED[JOB] | _EDGE,
    OPERATOR: NEEDED[OPERATOR],
}
FIELDS = frozenset[str]().union(*ALLOWED.values())


@dataclass(frozen=True)
class Entry:
    """An entry as it stands in the file, its fields those of its kind.

    Attributes:
        name: of the program.
        at: the entry.
        fields: by name, none unknown, none missing.
    """

    name: str
    at: Located
    fields: Mapping[str, Located]

    @classmethod
    def read(cls, name: str, at: Located) -> "Entry":
        """An entry with all the fields that its kind needs, and none that it does not have."""
        if not NAME.fullmatch(name):
            raise at.error(f"a program's name consists of the letters a to z; {name!r} does not")
        fields = at.mapping(name)
        if "kind" not in fields:
            raise at.error(f"{name} lacks 'kind'")
        kind = fields["kind"].text("kind")
        if kind not in ALLOWED:
            raise fields["kind"].error(f"unknown kind {kind!r}; kinds are {', '.join(ALLOWED)}")
        for field, value in fields.items():
            if field not in FIELDS:
                raise value.error(f"unknown field {field!r}")
            if field not in ALLOWED[kind]:
                raise value.error(f"kind {kind} has no field {field!r}")
        for field in sorted(NEEDED[kind] - fields.keys()):
            raise at.error(f"{name} lacks {field!r}, which kind {kind} needs")
        return cls(name, at, fields)

    @property
    def kind(self) -> str:
        return str(self.fields["kind"].value)

    def texts(self, field: str) -> tuple[Located, ...]:
        """A field that lists texts; empty where it is not given."""
        return self.fields[field].texts(field) if field in self.fields else ()

    def exchanges(self) -> dict[str, str]:
        """The exchanges on which it publishes: `events` -> `notary.events`."""
        for word in self.texts("publishes"):
            if word.value not in PUBLISHED:
                raise word.error(f"a program publishes {' and '.join(PUBLISHED)}, not {word.value!r}")
        return {str(word.value): f"{self.name}.{word.value}" for word in self.texts("publishes")}


@dataclass(frozen=True)
class Reader:
    """Makes programs of entries, each checked against the others, the section `outside` and the protos."""

    entries: Mapping[str, Entry]
    outside: Mapping[str, str]
    facts: Facts

    def program(self, entry: Entry) -> Program:
        """The program of an entry; TableError for the first field that is wrong."""
        fields = entry.fields
        return Program(
            name=entry.name,
            line=entry.at.line,
            kind=entry.kind,
            about=fields["about"].text("about"),
            package=_package(fields["package"], entry.kind) if "package" in fields else "",
            image=_image(fields["image"]) if "image" in fields else "",
            exchanges=tuple(entry.exchanges().values()),
            reads=(*self._reads(entry), *_revocations(entry)),
            calls=tuple(self._calls(entry)),
            reaches=tuple(self._outside(entry, "reaches")),
            reached_by=tuple(self._outside(entry, "reached_by")),
            secrets=tuple(_secrets(entry)),
            stream_days=_stream(entry),
        )

    def _reads(self, entry: Entry) -> Iterator[Read]:
        reads = entry.fields["reads"].mapping("reads") if "reads" in entry.fields else {}
        for source, said in reads.items():
            publisher, dot, name = source.partition(".")
            if not dot or not name:
                raise said.error(f"reads names <source>.<entity>, not {source!r}")
            if source == REVOCATIONS:
                raise said.error(f"{REVOCATIONS} is read by every service and is not listed")
            if publisher not in self.entries:
                raise said.error(f"{entry.name} reads {publisher}, which is no program of the table")
            if not (published := self.entries[publisher].exchanges()):
                raise said.error(f"{entry.name} reads {publisher}, which publishes nothing")
            entity, wanted = name, said
            if isinstance(said.value, dict):  # a second queue of the same entity
                named = said.only(source, {"entity", "facts"})
                entity, wanted = named["entity"].text("entity"), named["facts"]
            queue = f"{entry.name}.{source}"
            yield (
                self._all(queue, entity, published, wanted)
                if wanted.value == "*"
                else self._some(queue, entity, published, wanted)
            )

    def _all(self, queue: str, entity: str, published: Mapping[str, str], wanted: Located) -> Read:
        exchange = published.get("events", "")
        if entity not in self.facts.get(exchange, {}):
            places = " or ".join(published.values())
            commands = any(entity in self.facts.get(each, {}) for each in published.values())
            why = "; commands are read by name" if commands else ""
            raise wanted.error(f"no proto states a fact of {entity} on {exchange or places}{why}")
        return Read(queue, exchange, (routing_key(entity, "*"),))

    def _some(self, queue: str, entity: str, published: Mapping[str, str], wanted: Located) -> Read:
        facts = wanted.texts(f"facts of {queue}")
        exchanges = [self._exchange(fact, entity, published) for fact in facts]
        for fact, exchange in zip(facts, exchanges, strict=True):
            if exchange != exchanges[0]:
                raise fact.error(f"{queue} mixes facts and commands; a queue reads one exchange")
        return Read(queue, exchanges[0], tuple(routing_key(entity, str(fact.value)) for fact in facts))

    def _exchange(self, fact: Located, entity: str, published: Mapping[str, str]) -> str:
        for exchange in published.values():
            if fact.value in self.facts.get(exchange, {}).get(entity, ()):
                return exchange
        raise fact.error(f"no proto states {entity}.{fact.value} on {' or '.join(published.values())}")

    def _calls(self, entry: Entry) -> Iterator[str]:
        called = entry.texts("calls")
        for each in called:
            if (name := str(each.value)) not in self.entries:
                raise each.error(f"{entry.name} calls {name}, which is no program of the table")
            if name == entry.name:
                raise each.error(f"{name} calls itself")
            if (kind := self.entries[name].kind) != SERVICE:
                raise each.error(f"{entry.name} calls {name}, of kind {kind}; only services have an API")
            yield name
        if entry.kind == SERVICE and IDENTITY not in {entry.name, *(each.value for each in called)}:
            raise entry.at.error(
                f"{entry.name} does not call {IDENTITY}, whose keys it needs to check tokens"
            )

    def _outside(self, entry: Entry, field: str) -> Iterator[str]:
        for each in entry.texts(field):
            if each.value not in self.outside:
                raise each.error(f"{field} names {each.value}, which the section outside does not list")
            yield str(each.value)


def _revocations(entry: Entry) -> Iterator[Read]:
    """The queue of revoked access tokens, which every service has that checks tokens by identity's keys."""
    if entry.kind == SERVICE and entry.name != IDENTITY:
        key = routing_key(REVOCATIONS.partition(".")[2], "revoked")
        yield Read(f"{entry.name}.{REVOCATIONS}", f"{IDENTITY}.events", (key,))


def _package(said: Located, kind: str) -> str:
    package = said.text("package")
    if not PACKAGE.fullmatch(package):
        raise said.error(f"a package is a dotted name of Python; {package!r} is none")
    if kind == CONNECTOR and not CONNECTOR_PACKAGE.fullmatch(package):
        raise said.error(f"a connector's package is <service>.connectors.<name>; {package!r} is not")
    folder = sources(package.partition(".")[0])
    if folder is None or not (folder / package.replace(".", "/") / "__main__.py").exists():
        raise said.error(f"no package {package} with a __main__.py below services/*/src")
    return package


def _image(said: Located) -> str:
    image = said.text("image")
    containerfile = (CHECKOUT / "deploy" / "image" / "Containerfile").read_text(encoding="utf-8")
    if f'image.title="diwan/{image}"' not in containerfile:
        raise said.error(f"deploy/image/Containerfile makes no image diwan/{image}")
    return image


def _secrets(entry: Entry) -> Iterator[str]:
    for each in entry.texts("secrets"):
        if not SECRET.fullmatch(str(each.value)):
            raise each.error(f"a secret is a file name such as api-key; {each.value!r} is none")
        if each.value in {"broker-uri", "store-uri"}:
            raise each.error(f"{each.value} follows from the kind and is not listed")
        yield str(each.value)


def _stream(entry: Entry) -> int | None:
    """The reserved form is `stream: {days: N}`; nothing is rendered from it yet."""
    if "stream" not in entry.fields:
        return None
    said = entry.fields["stream"]
    if "events" not in entry.exchanges():
        raise said.error(f"stream keeps events, and {entry.name} publishes none")
    return said.only("stream", {"days"})["days"].number("days of a stream", 1, STREAM_DAYS_MAX)
