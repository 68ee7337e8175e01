"""Network edges derived from spans: the client, the server and the port of each connection."""

from collections.abc import Iterator

from .jaeger import Span

GRPC_PORT, AMQP_PORT, STORE_PORT, OTLP_PORT, CALLBACKS_PORT = 50051, 5672, 27017, 4318, 8081
DRIVER, CALLER = "demo", "caller"
Edge = tuple[str, str, int]


def edges_of(trace: list[Span], release: str) -> Iterator[Edge]:
    """Yield the connections that the spans of a trace prove.

    Args:
        trace: complete, because the client of a call is found by the parent of the server's span.
        release: name of the Helm release, the prefix of its services' names.
    """
    by_id = {span.id: span for span in trace}
    for span in trace:
        program = CALLER if span.service == DRIVER else span.service
        if program != CALLER:
            yield (
                program,
                "collector",
                OTLP_PORT,
            )  # the span was exported; the driver's are sent to Jaeger directly
        attributes = span.attributes
        if "messaging.system" in attributes:
            yield program, attributes["messaging.system"], AMQP_PORT
        if "db.system.name" in attributes:
            yield program, f"{program}-store", STORE_PORT
        if "server.address" in attributes:
            address, port = attributes["server.address"], int(attributes["server.port"])
            yield program, address.removeprefix(f"{release}-"), port
        yield from _incoming(span, by_id.get(span.parent), program)


def _incoming(span: Span, parent: Span | None, program: str) -> Iterator[Edge]:
    """Yield the edge of a call, a callback or a message from a client without spans of its own."""
    kind = span.attributes.get("span.kind")
    if kind == "server" and span.attributes.get("http.route") == "/callbacks":
        yield "bank", program, CALLBACKS_PORT
    elif kind == "server":
        # Without a parent the caller is the operator's command line, which creates no spans.
        yield (CALLER if parent is None or parent.service == DRIVER else parent.service), program, GRPC_PORT
    elif kind == "consumer" and parent and parent.service == DRIVER:
        yield CALLER, span.attributes["messaging.system"], AMQP_PORT
