"""A small JSON server for the sandbox's programs."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

BODY_BYTES_MAX = 64 * 1024


@dataclass(frozen=True)
class HttpRequest:
    """A request: the groups of the path's pattern, the headers by lower-case name, and the body."""

    groups: tuple[str, ...]
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """Return the body as an object; ValueError when it is not one."""
        content = json.loads(self.body or b"{}")
        if not isinstance(content, dict):
            raise ValueError("the body is not a JSON object")  # noqa: TRY004 -- input from outside is a wrong value
        return content


Response = tuple[int, Any]
Route = tuple[str, str, Callable[[HttpRequest], Response]]


def serve(host: str, port: int, routes: Sequence[Route]) -> ThreadingHTTPServer:
    """Serve routes (method, pattern of the path, handler) in a thread; a str body is sent as CSV, others as JSON."""

    class Handler(BaseHTTPRequestHandler):
        def _handle(self) -> None:
            status, body = self._route()
            data = body.encode() if isinstance(body, str) else json.dumps(body, ensure_ascii=False).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/csv" if isinstance(body, str) else "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _route(self) -> Response:
            length = int(self.headers.get("Content-Length") or 0)
            if length > BODY_BYTES_MAX:
                return 413, {"error": "too_large"}
            body = self.rfile.read(length)
            for method, pattern, handler in routes:
                if method == self.command and (match := re.fullmatch(pattern, self.path)):
                    headers = {name.lower(): value for name, value in self.headers.items()}
                    try:
                        return handler(HttpRequest(match.groups(), headers, body))
                    except (ValueError, KeyError, TypeError):
                        return 400, {"error": "invalid_request"}
            return 404, {"error": "not_found"}

        do_GET = do_POST = do_DELETE = _handle  # noqa: N815 -- the server's own names

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the server's own name
            """Log nothing: paths contain phone numbers."""

    server = ThreadingHTTPServer((host, port), Handler)
    server.daemon_threads = True
    Thread(target=server.serve_forever, daemon=True, name="http").start()
    return server
