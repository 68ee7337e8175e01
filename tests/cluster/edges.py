"""Which connections spans tell of: who opened one, to whom, and to which port."""

from collections.abc import Iterator

from .jaeger import Span

GRPC_PORT, AMQP_PORT, STORE_PORT, OTLP_PORT, HTTP_PORT = 50051, 5672, 27017, 4318, 8080
DRIVER, CALLER = "demo", "caller"
Edge = tuple[str, str, int]


def edges_of(trace: list[Span], release: str) -> Iterator[Edge]:
    """Every connection that a span of the trace could not have been made without.

    Args:
        trace: whole: a call's server is known by its span, whose parent is the client's.
        release: of Helm, which the names of its services begin with.
    """
    by_id = {span.id: span for span in trace}
    for span in trace:
        me = CALLER if span.service == DRIVER else span.service
        if me != CALLER:
            yield me, "collector", OTLP_PORT  # else nobody would know of the span; the driver's go past it
        said = span.attributes
        if "messaging.system" in said:
            yield me, said["messaging.system"], AMQP_PORT
        if "db.system.name" in said:
            yield me, f"{me}-store", STORE_PORT
        if "server.address" in said:
            yield me, said["server.address"].removeprefix(f"{release}-"), int(said["server.port"])
        yield from _into(span, by_id.get(span.parent), me)


def _into(span: Span, parent: Span | None, me: str) -> Iterator[Edge]:
    """What came in from elsewhere: a call, a callback, a message that was published without a span."""
    kind = span.attributes.get("span.kind")
    if kind == "server" and span.attributes.get("http.route") == "/callbacks":
        yield "bank", me, HTTP_PORT  # it has no spans of its own
    elif kind == "server":
        # Without a parent: the operator, whose command line makes no spans either.
        yield (CALLER if parent is None or parent.service == DRIVER else parent.service), me, GRPC_PORT
    elif kind == "consumer" and parent and parent.service == DRIVER:
        yield CALLER, span.attributes["messaging.system"], AMQP_PORT
