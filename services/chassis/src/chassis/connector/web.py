"""HTTP of a connector: health and metrics answered in place, callbacks of the outside world, on a pool of its own."""

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
class Answer:
    """An HTTP answer."""

    status: int
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"


@dataclass
class _Routes:
    answers: dict[tuple[str, str], Callable[[HttpRequest], Answer]] = field(default_factory=dict)
    checks: dict[str, Callable[[], bool]] = field(default_factory=dict)


class Web(SharedExtension):  # type: ignore[misc]  # nameko has no types
    """The connector's HTTP server. nameko's shares the workers' pool, and hangs with it."""

    consumer = QueueConsumer()
    publisher = PublisherExtension()

    def __init__(self) -> None:
        # Others may register before our own setup: nameko sets extensions up in no order.
        self._routes = _Routes()
        self._started = False
        super().__init__()

    def setup(self) -> None:
        settings: ConnectorSettings = self.container.config["settings"]
        host, _, port = settings.http_listen.rpartition(":")
        self._address = (host or "127.0.0.1", int(port))
        self._draining = False
        routes = self._routes
        routes.answers["GET", "/healthz"] = lambda _: Answer(200, b"ok\n")
        routes.answers["GET", "/readyz"] = self._ready
        routes.answers["GET", "/metrics"] = _metrics
        routes.checks["publisher"] = lambda: self.publisher.connected
        routes.checks["consumer"] = lambda: self.consumer.connected

    def route(self, method: str, path: str, answer: Callable[[HttpRequest], Answer]) -> None:
        """Answer calls to this path."""
        self._routes.answers[method, path] = answer

    def check(self, name: str, is_ready: Callable[[], bool]) -> None:
        """Let readiness wait for this too."""
        self._routes.checks[name] = is_ready

    def start(self) -> None:
        if self._started:
            return
        self._started = True
        listening = eventlet.listen(self._address)
        self.container.spawn_managed_thread(lambda: self._serve(listening))

    def stop(self) -> None:
        self._draining = True

    def _serve(self, listening: Any) -> None:
        wsgi.server(
            listening,
            self._app,
            custom_pool=eventlet.GreenPool(POOL),
            log_output=False,
            socket_timeout=SOCKET_TIMEOUT_SECONDS,
            keepalive=False,
            debug=False,
        )

    def _app(self, environ: Mapping[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        answer = self._answer(environ)
        head = [("Content-Length", str(len(answer.body)))] if answer.status != 204 else []
        if answer.body:
            head.append(("Content-Type", answer.content_type))
        start_response(_STATUS[answer.status], head)
        return [answer.body]

    def _answer(self, environ: Mapping[str, Any]) -> Answer:
        routes, method, path = self._routes, environ["REQUEST_METHOD"], environ["PATH_INFO"]
        answer = routes.answers.get((method, path))
        if answer is None:
            return Answer(405 if any(path == known for _, known in routes.answers) else 404)
        length = environ.get("CONTENT_LENGTH") or "0"
        if not length.isdecimal() or int(length) > BODY_BYTES_MAX:
            return Answer(413)
        told = {
            name.removeprefix("HTTP_").replace("_", "-").lower(): str(value)
            for name, value in environ.items()
            if name.startswith("HTTP_")
        }
        try:
            # A broker that is away must not fill the pool, and health hang with it: the caller comes again.
            with eventlet.Timeout(ANSWER_LIMIT_SECONDS):
                return answer(HttpRequest(method, path, told, environ["wsgi.input"].read(int(length))))
        except eventlet.Timeout:
            return Answer(503)
        except Exception:  # noqa: BLE001 -- one bad call must not end the server
            _log.exception("HTTP call failed", path=path)
            return Answer(500)

    def _ready(self, _call: HttpRequest) -> Answer:
        told = {name: is_ready() for name, is_ready in self._routes.checks.items()}
        told["serving"] = not self._draining
        lines = "".join(
            f"{name} {'ok' if is_ready else 'waiting'}\n" for name, is_ready in sorted(told.items())
        )
        return Answer(200 if all(told.values()) else 503, lines.encode())


def _metrics(_call: HttpRequest) -> Answer:
    return Answer(200, generate_latest(telemetry.current().registry), CONTENT_TYPE_LATEST)


class _Serves(Entrypoint):  # type: ignore[misc]  # nameko has no types
    """One path of the outside world. See `serves`."""

    web = Web()

    def __init__(self, method: str, path: str, **options: Any) -> None:
        self._method = method
        self._path = path
        super().__init__(**options)

    def start(self) -> None:
        # One instance answers all calls, in place: a full pool of workers must not turn a callback away.
        service = self.container.service_cls()
        for provider in self.container.dependencies:
            setattr(service, provider.attr_name, provider.get_dependency(None))
        self.web.route(self._method, self._path, getattr(service, self.method_name))


class _Method(Protocol):
    def __call__(self, service: Any, call: HttpRequest, /) -> Answer: ...


def serves(method: str, path: str) -> Callable[[_Method], _Method]:
    """Let a method of the connector, `(self, call: HttpRequest) -> Answer`, answer HTTP calls to this path."""
    register: Callable[[_Method], _Method] = _Serves.decorator(method, path)
    return register
