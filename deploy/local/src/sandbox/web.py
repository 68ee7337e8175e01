"""A very small JSON server for the sandbox's programs."""

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
    """A request: what the path's pattern caught, its headers and its body."""

    caught: tuple[str, ...]
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """The body as an object; ValueError when it is none."""
        read = json.loads(self.body or b"{}")
        if not isinstance(read, dict):
            raise ValueError("the body is no object")  # noqa: TRY004 -- what came from outside is a wrong value
        return read


Answer = tuple[int, Any]
Route = tuple[str, str, Callable[[HttpRequest], Answer]]


def serve(host: str, port: int, routes: Sequence[Route]) -> ThreadingHTTPServer:
    """Serve routes (method, pattern of the whole path, answer) in a thread; a str answers as text, all else as JSON."""

    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            status, body = self._answer()
            data = body.encode() if isinstance(body, str) else json.dumps(body, ensure_ascii=False).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/csv" if isinstance(body, str) else "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _answer(self) -> Answer:
            length = int(self.headers.get("Content-Length") or 0)
            if length > BODY_BYTES_MAX:
                return 413, {"error": "too_large"}
            body = self.rfile.read(length)
            for method, pattern, answer in routes:
                if method == self.command and (found := re.fullmatch(pattern, self.path)):
                    told = {name.lower(): value for name, value in self.headers.items()}
                    try:
                        return answer(HttpRequest(found.groups(), told, body))
                    except (ValueError, KeyError, TypeError):
                        return 400, {"error": "invalid_request"}
            return 404, {"error": "not_found"}

        do_GET = do_POST = do_DELETE = _any  # noqa: N815 -- the server's own names

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the server's own name
            """Say nothing: paths hold phone numbers."""

    server = ThreadingHTTPServer((host, port), Handler)
    server.daemon_threads = True
    Thread(target=server.serve_forever, daemon=True, name="http").start()
    return server
