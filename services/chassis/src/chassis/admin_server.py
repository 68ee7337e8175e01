"""The admin HTTP server: /metrics (Prometheus), /healthz (liveness), /readyz (readiness of each component)."""

import asyncio
import json
from typing import Final

from chassis import telemetry
from chassis.connections import Connection, OpenConnections
from chassis.errors import AddressTaken
from chassis.readiness import Readiness

REQUEST_LIMIT_SECONDS: Final = 5.0
MAX_HEAD_BYTES: Final = 8192

_REASONS: Final = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed"}
_UNAVAILABLE: Final = 503


class AdminServer:
    """A small HTTP/1.1 server: GET only, one response per connection, within 5 s. A component.

    When it is full, the connection that is open the longest makes room (`chassis.connections`).
    """

    name = "http"

    def __init__(self, listen: str, readiness: Readiness) -> None:
        """Listen at `host:port`; an empty host is every interface, port 0 a free one."""
        self._host, _, port = listen.rpartition(":")
        self.port = int(port)
        self._readiness = readiness
        self._server: asyncio.Server | None = None
        self._open = OpenConnections()

    @property
    def open_connections(self) -> int:
        """Number of open connections."""
        return len(self._open)

    async def start(self) -> None:
        """Listen. Raises AddressTaken."""
        host = self._host.strip("[]") or None
        try:
            self._server = await asyncio.start_server(self._serve, host, self.port, limit=MAX_HEAD_BYTES)
        except OSError as error:
            msg = f"cannot listen on {self._host}:{self.port}: {error.strerror or 'refused'}"
            raise AddressTaken(msg) from error
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("peername") or ("",)
        connection = Connection(str(peer[0]), writer.transport.abort)
        self._open.add(connection)
        try:
            # A client that is too slow or disconnects gets no response; other connections are not affected.
            async with asyncio.timeout(REQUEST_LIMIT_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(self._respond(head.split(b"\r\n", 1)[0]))
                writer.close()
                await writer.wait_closed()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            # `close` would wait for a client that does not read.
            writer.transport.abort()
        finally:
            self._open.remove(connection)

    def _respond(self, request_line: bytes) -> bytes:
        fields = request_line.decode("ascii", "replace").split(" ")
        if len(fields) != 3:
            return _response(400, "text/plain", b"bad request\n")
        method, path, _ = fields
        if method != "GET":
            return _response(405, "text/plain", b"GET only\n")
        path = path.partition("?")[0]
        if path == "/metrics":
            content_type, body = telemetry.exposition()
            return _response(200, content_type, body)
        if path == "/healthz":
            return _response(200, "text/plain", b"alive\n")
        if path == "/readyz":
            ready = self._readiness.ready
            body = json.dumps({"ready": ready, "components": self._readiness.states}).encode()
            return _response(200 if ready else _UNAVAILABLE, "application/json", body)
        return _response(404, "text/plain", b"/metrics, /healthz or /readyz\n")


def _response(status: int, content_type: str, body: bytes) -> bytes:
    reason = _REASONS.get(status, "Service Unavailable")
    head = (
        f"HTTP/1.1 {status} {reason}\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
