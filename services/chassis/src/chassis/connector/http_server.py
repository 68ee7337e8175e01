"""An HTTP/1.1 server on eventlet with limits: one request per connection, deadlines, bounded heads and bodies."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import eventlet
from eventlet import wsgi
from eventlet.green import socket

from chassis import log, telemetry
from chassis.connections import Connection, OpenConnections
from chassis.errors import AddressTaken

HEAD_LIMIT_SECONDS: Final = 5
BODY_LIMIT_SECONDS: Final = 10
ANSWER_LIMIT_SECONDS: Final = 5
WRITE_LIMIT_SECONDS: Final = 5
BODY_BYTES_MAX: Final = 64 * 1024
REQUEST_LINE_MAX: Final = 4096
BACKLOG: Final = 512
ACCEPT_PAUSE_SECONDS: Final = 0.1

_log = log.get(__name__)
_STATUS: Final = {
    200: "200 OK",
    204: "204 No Content",
    400: "400 Bad Request",
    401: "401 Unauthorized",
    404: "404 Not Found",
    405: "405 Method Not Allowed",
    408: "408 Request Timeout",
    413: "413 Content Too Large",
    422: "422 Unprocessable Content",
    500: "500 Internal Server Error",
    501: "501 Not Implemented",
    503: "503 Service Unavailable",
}


@dataclass(frozen=True)
class HttpRequest:
    """An HTTP request. Header names are lower case; the body is at most 64 KiB, without its transfer encoding."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class HttpResponse:
    """An HTTP response."""

    status: int
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"


Handler = Callable[[HttpRequest], HttpResponse]


class HttpServer:
    """Serves the handlers of methods and paths at one address.

    A connection is closed when its request's head or body or its answer takes too long, and when it has to make room
    for another (`chassis.connections`).
    """

    def __init__(self, name: str, listen: str, handlers: Mapping[tuple[str, str], Handler]) -> None:
        """`name` is the label of its metrics; `listen` is `host:port`, an empty host is 127.0.0.1."""
        host, _, port = listen.rpartition(":")
        self._address = (host.strip("[]") or "127.0.0.1", int(port))
        self._name = name
        self._handlers = handlers
        self._open = OpenConnections()
        self._cut = telemetry.current().counter(
            "diwan_connector_http_connections_cut_total",
            "Connections that were closed before an answer, by server and reason",
            ("server", "reason"),
        )

    def listen(self) -> Callable[[], None]:
        """Open the port, and return the function that accepts connections until its greenlet ends. AddressTaken."""
        family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
        try:
            listener = eventlet.listen(self._address, family=family, backlog=BACKLOG)
        except OSError as error:
            host, port = self._address
            raise AddressTaken(f"cannot listen on {host}:{port}: {error.strerror or 'refused'}") from None
        server = wsgi.Server(
            listener,
            listener.getsockname(),
            self._application,
            log_output=False,
            keepalive=False,
            debug=False,
            socket_timeout=BODY_LIMIT_SECONDS,
            url_length_limit=REQUEST_LINE_MAX,
            protocol=_Protocol,
        )
        return lambda: self._accept(listener, server)

    def _accept(self, listener: Any, server: Any) -> None:
        while True:
            try:
                client, address = listener.accept()
            except OSError as error:
                # No file descriptors are left, or the client is gone already.
                _log.warning("HTTP server accepts no connection", error_type=type(error).__name__)
                eventlet.sleep(ACCEPT_PAUSE_SECONDS)
                continue
            self._admit(client, address, server)

    def _admit(self, client: Any, address: Any, server: Any) -> None:
        def abort() -> None:
            self._cut.labels(self._name, "displaced").inc()
            _shut(client)

        connection = _Served(str(address[0]), abort, client)
        if not self._open.add(connection):
            self._cut.labels(self._name, "refused").inc()
            client.close()
            return
        self._limit(connection, HEAD_LIMIT_SECONDS, "head")
        client.settimeout(BODY_LIMIT_SECONDS)
        eventlet.spawn_n(self._serve, server, [address, client, wsgi.STATE_IDLE, connection])

    def _serve(self, server: Any, state: list[Any]) -> None:
        connection: _Served = state[3]
        try:
            server.process_request(state)
        except Exception as error:  # noqa: BLE001 -- one connection must not end the server; most are resets
            _log.debug("HTTP connection failed", error_type=type(error).__name__)
        finally:
            connection.end()
            self._open.remove(connection)
            with suppress(OSError):
                connection.client.close()

    def _limit(self, connection: "_Served", seconds: float, what: str) -> None:
        """Close the connection after this time, unless it is given another limit before."""

        def cut() -> None:
            self._cut.labels(self._name, what).inc()
            _shut(connection.client)

        connection.end()
        connection.timer = eventlet.spawn_after(seconds, cut)

    def _application(self, environ: Mapping[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        connection: _Served = environ["diwan.connection"]
        # Longer than the body's own limit, after which the answer 408 is still sent.
        self._limit(connection, BODY_LIMIT_SECONDS + ANSWER_LIMIT_SECONDS + WRITE_LIMIT_SECONDS, "answer")
        response = self._respond(environ, connection)
        connection.busy = False
        self._limit(connection, WRITE_LIMIT_SECONDS, "write")
        headers = [("Content-Length", str(len(response.body)))] if response.status != 204 else []
        if response.body:
            headers.append(("Content-Type", response.content_type))
        start_response(_STATUS[response.status], headers)
        return [response.body]

    def _respond(self, environ: Mapping[str, Any], connection: Connection) -> HttpResponse:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        handler = self._handlers.get((method, path))
        if handler is None:
            return HttpResponse(405 if any(path == known for _, known in self._handlers) else 404)
        body = _body(environ)
        if isinstance(body, HttpResponse):
            return body
        connection.busy = True
        try:
            # Callbacks wait for the broker: without a limit they would fill the server during an outage. The caller
            # tries again.
            with eventlet.Timeout(ANSWER_LIMIT_SECONDS):
                return handler(HttpRequest(method, path, _headers(environ), body))
        except eventlet.Timeout:
            return HttpResponse(503)
        except Exception:  # noqa: BLE001 -- one bad call must not end the server
            _log.exception("HTTP call failed", path=path)
            return HttpResponse(500)


class _Served(Connection):
    """A connection with its socket and the timer that closes it."""

    def __init__(self, address: str, abort: Callable[[], None], client: Any) -> None:
        super().__init__(address, abort)
        self.client = client
        self.timer: Any = None

    def end(self) -> None:
        """Lift the time limit."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class _Protocol(wsgi.HttpProtocol):  # type: ignore[misc]  # eventlet has no types
    """Hands the connection to the application."""

    def get_environ(self) -> dict[str, Any]:
        return {**super().get_environ(), "diwan.connection": self.conn_state[3]}


class _TooLong(Exception):
    pass


class _Bounded:
    """A file that gives at most a number of bytes in all: neither a chunk's head nor trailers grow without a limit."""

    def __init__(self, file: Any, bytes_left: int) -> None:
        self._file = file
        self._left = bytes_left

    def read(self, length: int) -> bytes:
        return self._counted(self._file.read(min(length, self._left + 1)))

    def readline(self, length: int = -1) -> bytes:
        return self._counted(
            self._file.readline(min(length, self._left + 1) if length > 0 else self._left + 1)
        )

    def _counted(self, data: bytes) -> bytes:
        self._left -= len(data)
        if self._left < 0:
            raise _TooLong
        return data


def _body(environ: Mapping[str, Any]) -> bytes | HttpResponse:
    """The request's body without its transfer encoding, or the response to one that cannot be read."""
    encoding = environ.get("HTTP_TRANSFER_ENCODING", "")
    if encoding and encoding.strip().lower() != "chunked":
        return HttpResponse(501)
    length = environ.get("CONTENT_LENGTH") or "0"
    if not (length.isascii() and length.isdecimal()):
        return HttpResponse(400)
    if int(length) > BODY_BYTES_MAX:
        return HttpResponse(413)
    return _read_body(environ["wsgi.input"], None if encoding else int(length))


def _read_body(source: Any, length: int | None) -> bytes | HttpResponse:
    """Read a body of this length, or a chunked one if it is None."""
    # A client may send each byte as a chunk of its own, which takes six bytes.
    source.rfile = _Bounded(source.rfile, BODY_BYTES_MAX * 6 if length is None else BODY_BYTES_MAX)
    try:
        with eventlet.Timeout(BODY_LIMIT_SECONDS):
            body = bytes(source.read(BODY_BYTES_MAX + 1 if length is None else length))
    except eventlet.Timeout:
        return HttpResponse(408)
    except _TooLong:
        return HttpResponse(413)
    except (OSError, wsgi.ChunkReadError):
        return HttpResponse(400)
    if len(body) > BODY_BYTES_MAX:
        return HttpResponse(413)
    return body if length in (None, len(body)) else HttpResponse(400)


def _headers(environ: Mapping[str, Any]) -> dict[str, str]:
    headers = {
        name.removeprefix("HTTP_").replace("_", "-").lower(): str(value)
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    return {**headers, "content-type": str(environ.get("CONTENT_TYPE") or "")}


def _shut(client: Any) -> None:
    """End a connection; its own greenlet closes it, because closing under a waiting greenlet ends the process."""
    with suppress(OSError):
        client.shutdown(socket.SHUT_RDWR)
