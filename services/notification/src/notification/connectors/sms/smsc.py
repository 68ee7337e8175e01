"""The connector's bind at the SMSC: one session for all messages, bound again after each loss."""

from collections.abc import Callable
from typing import Any, Final

import eventlet
from chassis import log, telemetry
from chassis.backoff import Backoff
from chassis.connector import PublisherExtension, Web
from chassis.connector.consumer import QueueConsumer
from eventlet.semaphore import Semaphore
from nameko.extensions import DependencyProvider, SharedExtension
from opentelemetry.trace import SpanKind

from notification.connectors.sms import pdus, status
from notification.connectors.sms.session import BindRefused, NotSent, Session, Submitted
from notification.connectors.sms.settings import Settings

BACKOFF_FIRST_SECONDS: Final = 0.2
BACKOFF_LAST_SECONDS: Final = 10
REFUSED_PAUSE_SECONDS: Final = 30
POLL_SECONDS: Final = 0.05

_log = log.get(__name__)

OnDeliver = Callable[[bytes], bool]


class Bind(SharedExtension):  # type: ignore[misc]  # nameko has no types
    """Keeps the session. Consuming from the broker pauses while there is none."""

    consumer = QueueConsumer()
    publisher = PublisherExtension()
    web = Web()

    def __init__(self) -> None:
        # `listen` may be called before `setup` of this one: nameko sets extensions up in no order.
        self._on_deliver: OnDeliver = lambda _: False
        super().__init__()

    def setup(self) -> None:
        self._settings: Settings = self.container.config["settings"]
        self._session: Session | None = None
        self._window = Semaphore(self._settings.window)
        self._stopping = False
        self._started = False
        metrics = telemetry.current()
        bound = metrics.gauge("diwan_sms_bound", "Whether the connector is bound at the SMSC")
        bound.set_function(lambda: self.bound)
        self._submits = metrics.counter(
            "diwan_sms_submits_total", "Parts submitted, by the SMSC's answer", ("status",)
        )
        self.consumer.gate(lambda: self.bound)
        self.web.check("smsc", lambda: self.bound)

    @property
    def bound(self) -> bool:
        """Whether a session is bound now."""
        return self._session is not None and not self._session.closed

    def listen(self, on_deliver: OnDeliver) -> None:
        """Pass each `deliver_sm` PDU to `on_deliver`, which returns whether it accepted it, and must not raise."""
        self._on_deliver = on_deliver

    def start(self) -> None:
        if not self._started:
            self._started = True
            self._thread = self.container.spawn_managed_thread(self._run)

    def stop(self) -> None:
        self._stopping = True
        if self._session is not None and self.bound:
            self._session.unbind()

    def submit(self, **fields: Any) -> Submitted:
        """Submit one part; NotSent, AnswerUnknown or Malformed. `fields` are those of `smpp34.SubmitSm`."""
        with (
            self._window,
            telemetry.span("submit_sm", kind=SpanKind.CLIENT, attributes=self._attributes()) as span,
        ):
            answer = self._wait_for_session().submit(self._settings.answer_seconds, **fields)
            status_name = status.name(answer.status)
            span.set_attribute("smpp.command_status", status_name)
            if answer.status:
                telemetry.failed(span, status_name)
            self._submits.labels(status_name).inc()
            return answer

    def _attributes(self) -> dict[str, str | int]:
        return {
            "server.address": self._settings.smsc_host,
            "server.port": self._settings.smsc_port,
            "network.protocol.name": "smpp",
            "network.protocol.version": "3.4",
            "peer.service": "smsc",
        }

    def _wait_for_session(self) -> Session:
        """The session; NotSent if there is none for `bind_wait_seconds`."""
        for _ in range(int(self._settings.bind_wait_seconds / POLL_SECONDS) + 1):
            if self._session is not None and self.bound:
                return self._session
            eventlet.sleep(POLL_SECONDS)
        raise NotSent("not bound")

    def _run(self) -> None:
        backoff = Backoff(BACKOFF_FIRST_SECONDS, BACKOFF_LAST_SECONDS)
        while not self._stopping:
            try:
                self._session = self._open()
            except BindRefused as refused:
                # A long pause: operators lock accounts after many binds with a wrong password.
                _log.error("SMSC refuses the bind", reason=str(refused))
                eventlet.sleep(REFUSED_PAUSE_SECONDS)
                continue
            except (OSError, pdus.ProtocolError) as error:
                _log.warning("SMSC is away", error_type=type(error).__name__)
                eventlet.sleep(backoff.next())
                continue
            backoff.opened()
            self._run_session(self._session)
            if not self._stopping:
                eventlet.sleep(backoff.next())

    def _open(self) -> Session:
        settings = self._settings
        return Session.open(
            (settings.smsc_host, settings.smsc_port),
            settings.smsc_system_id,
            settings.smsc_password.get_secret_value(),
            self._on_deliver,
        )

    def _run_session(self, session: Session) -> None:
        _log.info("bound to the SMSC")
        enquirer = eventlet.spawn(self._enquire_when_idle, session)
        try:
            session.run()
        finally:
            enquirer.kill()
        _log.info("unbound from the SMSC" if self._stopping else "lost the SMSC")

    def _enquire_when_idle(self, session: Session) -> None:
        while not session.closed:
            session.idle = True
            eventlet.sleep(self._settings.enquire_seconds)
            if session.idle and not session.closed:
                session.enquire(self._settings.answer_seconds)


class Smsc(DependencyProvider):  # type: ignore[misc]  # nameko has no types
    """Injects the bind into the connector."""

    bind_to_smsc = Bind()

    def get_dependency(self, _worker_ctx: object) -> Bind:
        bind: Bind = self.bind_to_smsc
        return bind
