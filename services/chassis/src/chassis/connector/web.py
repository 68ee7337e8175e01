"""HTTP server of a connector: health, metrics, and callbacks of external systems, on a pool of its own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import eventlet
from eventlet import wsgi
from nameko.extensions import Entrypoint, SharedExtension
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from chassis import log, telemetry
from chassis.connector.consumer import QueueConsumer
from chassis.connector.publisher import PublisherExtension
from chassis.connector.settings import ConnectorSettings
from chassis.errors import AddressTaken

POOL = 256
ANSWER_LIMIT_SECONDS = 5
BODY_BYTES_MAX = 64 * 1024
SOCKET_TIMEOUT_SECONDS = 15

_log = log.get(__name__)
_STATUS = {
    200: "200 OK",
    204: "204 No Content",
    400: "400 Bad Request",
    401: "401 Unauthorized",
    404: "404 Not Found",
    405: "405 Method Not Allowed",
    413: "413 Content Too Large",
    422: "422 Unprocessable Content",
    500: "500 Internal Server Error",
    503: "503 Service Unavailable",
}


@dataclass(frozen=True)
class HttpRequest:
    """An HTTP request. Header names are lower case; the body is at most 64 KiB."""

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


@dataclass
class _Routes:
    handlers: dict[tuple[str, str], Callable[[HttpRequest], HttpResponse]] = field(default_factory=dict)
    checks: dict[str, Callable[[], bool]] = field(default_factory=dict)


class Web(SharedExtension):  # type: ignore[misc]  # nameko has no types
    """The connector's HTTP server. nameko's own shares the workers' pool and hangs when that is full."""

    consumer = QueueConsumer()
    publisher = PublisherExtension()

    def __init__(self) -> None:
        # Entrypoints may register before `setup` of this one: nameko sets extensions up in no order.
        self._routes = _Routes()
        self._started = False
        super().__init__()

    def setup(self) -> None:
        settings: ConnectorSettings = self.container.config["settings"]
        host, _, port = settings.http_listen.rpartition(":")
        self._address = (host or "127.0.0.1", int(port))
        self._draining = False
        routes = self._routes
        routes.handlers["GET", "/healthz"] = lambda _: HttpResponse(200, b"ok\n")
        routes.handlers["GET", "/readyz"] = self._ready
        routes.handlers["GET", "/metrics"] = _metrics
        routes.checks["publisher"] = lambda: self.publisher.connected
        routes.checks["consumer"] = lambda: self.consumer.connected

    def route(self, method: str, path: str, handler: Callable[[HttpRequest], HttpResponse]) -> None:
        """Register the handler of a method and path."""
        self._routes.handlers[method, path] = handler

    def check(self, name: str, is_ready: Callable[[], bool]) -> None:
        """Add a readiness check."""
        self._routes.checks[name] = is_ready

    def start(self) -> None:
        if self._started:
            return
        self._started = True
        try:
            listener = eventlet.listen(self._address)
        except OSError as error:
            host, port = self._address
            raise AddressTaken(f"cannot listen on {host}:{port}: {error.strerror or 'refused'}") from None
        self.container.spawn_managed_thread(lambda: self._serve(listener))

    def stop(self) -> None:
        self._draining = True

    def _serve(self, listener: Any) -> None:
        wsgi.server(
            listener,
            self._app,
            custom_pool=eventlet.GreenPool(POOL),
            log_output=False,
            socket_timeout=SOCKET_TIMEOUT_SECONDS,
            keepalive=False,
            debug=False,
        )

    def _app(self, environ: Mapping[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        response = self._respond(environ)
        headers = [("Content-Length", str(len(response.body)))] if response.status != 204 else []
        if response.body:
            headers.append(("Content-Type", response.content_type))
        start_response(_STATUS[response.status], headers)
        return [response.body]

    def _respond(self, environ: Mapping[str, Any]) -> HttpResponse:
        routes, method, path = self._routes, environ["REQUEST_METHOD"], environ["PATH_INFO"]
        handler = routes.handlers.get((method, path))
        if handler is None:
            return HttpResponse(405 if any(path == known for _, known in routes.handlers) else 404)
        length = environ.get("CONTENT_LENGTH") or "0"
        if not length.isdecimal() or int(length) > BODY_BYTES_MAX:
            return HttpResponse(413)
        headers = {
            name.removeprefix("HTTP_").replace("_", "-").lower(): str(value)
            for name, value in environ.items()
            if name.startswith("HTTP_")
        }
        try:
            # Callbacks wait for the broker: without a limit they would fill the pool during an outage, and health
            # checks would hang. The caller tries again.
            with eventlet.Timeout(ANSWER_LIMIT_SECONDS):
                return handler(HttpRequest(method, path, headers, environ["wsgi.input"].read(int(length))))
        except eventlet.Timeout:
            return HttpResponse(503)
        except Exception:  # noqa: BLE001 -- one bad call must not end the server
            _log.exception("HTTP call failed", path=path)
            return HttpResponse(500)

    def _ready(self, _request: HttpRequest) -> HttpResponse:
        states = {name: is_ready() for name, is_ready in self._routes.checks.items()}
        states["serving"] = not self._draining
        lines = "".join(
            f"{name} {'ok' if is_ready else 'waiting'}\n" for name, is_ready in sorted(states.items())
        )
        return HttpResponse(200 if all(states.values()) else 503, lines.encode())


def _metrics(_request: HttpRequest) -> HttpResponse:
    return HttpResponse(200, generate_latest(telemetry.current().registry), CONTENT_TYPE_LATEST)


class _Serves(Entrypoint):  # type: ignore[misc]  # nameko has no types
    """Serves one path. See `serves`."""

    web = Web()

    def __init__(self, method: str, path: str, **options: Any) -> None:
        self._method = method
        self._path = path
        super().__init__(**options)

    def start(self) -> None:
        # One instance serves all calls outside the workers' pool: a full pool must not refuse a callback.
        service = self.container.service_cls()
        for provider in self.container.dependencies:
            setattr(service, provider.attr_name, provider.get_dependency(None))
        self.web.route(self._method, self._path, getattr(service, self.method_name))


class _Method(Protocol):
    def __call__(self, service: Any, request: HttpRequest, /) -> HttpResponse: ...


def serves(method: str, path: str) -> Callable[[_Method], _Method]:
    """Register a method of the connector, `(self, request: HttpRequest) -> HttpResponse`, for a method and path."""
    register: Callable[[_Method], _Method] = _Serves.decorator(method, path)
    return register
