"""HTTP servers of a connector: health and metrics at one address, callbacks of external systems at another.

Each has connections and limits of its own, so that callers of the one cannot exhaust the other.
"""

from collections.abc import Callable
from typing import Any, Protocol

from nameko.extensions import Entrypoint, SharedExtension
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from chassis import telemetry
from chassis.connector.consumer import QueueConsumer
from chassis.connector.http_server import Handler, HttpRequest, HttpResponse, HttpServer
from chassis.connector.publisher import PublisherExtension
from chassis.connector.settings import ConnectorSettings


class Web(SharedExtension):  # type: ignore[misc]  # nameko has no types
    """The connector's HTTP servers. nameko's own shares the workers' pool and hangs when that is full."""

    consumer = QueueConsumer()
    publisher = PublisherExtension()

    def __init__(self) -> None:
        # Entrypoints may register before `setup` of this one: nameko sets extensions up in no order.
        self._callbacks: dict[tuple[str, str], Handler] = {}
        self._checks: dict[str, Callable[[], bool]] = {}
        self._started = False
        super().__init__()

    def setup(self) -> None:
        settings: ConnectorSettings = self.container.config["settings"]
        self._settings = settings
        self._draining = False
        self._checks["publisher"] = lambda: self.publisher.connected
        self._checks["consumer"] = lambda: self.consumer.connected

    def route(self, method: str, path: str, handler: Handler) -> None:
        """Register the handler of a callback's method and path; the first opens the server of callbacks."""
        self._callbacks[method, path] = handler
        if len(self._callbacks) == 1:
            self._open("callbacks", self._settings.callbacks_listen, self._callbacks)

    def check(self, name: str, is_ready: Callable[[], bool]) -> None:
        """Add a readiness check."""
        self._checks[name] = is_ready

    def start(self) -> None:
        if self._started:
            return
        self._started = True
        health: dict[tuple[str, str], Handler] = {
            ("GET", "/healthz"): lambda _: HttpResponse(200, b"ok\n"),
            ("GET", "/readyz"): self._ready,
            ("GET", "/metrics"): _metrics,
        }
        self._open("health", self._settings.http_listen, health)

    def stop(self) -> None:
        self._draining = True

    def _open(self, name: str, listen: str, handlers: dict[tuple[str, str], Handler]) -> None:
        self.container.spawn_managed_thread(HttpServer(name, listen, handlers).listen())

    def _ready(self, _request: HttpRequest) -> HttpResponse:
        states = {name: is_ready() for name, is_ready in self._checks.items()}
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
