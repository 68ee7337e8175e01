"""Logs: structlog JSON lines on stdout, masked by construction.

Every line passes the same masks, be it ours or a library's through `logging`, a text or a field. Of an exception
only its class and frames are written: a text that somebody else wrote may quote anything, and names have no shape to
mask them by. Each carries `service.*` and `k8s.*` as far
as they are known (`chassis.resource`), and `trace_id`, `span_id` and the journey's `request_number` where there
are any.
"""

import logging
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar, Token
from typing import Any, TextIO

import structlog
from opentelemetry import trace
from structlog.types import EventDict, Processor

from chassis import resource
from chassis.exceptions import format_exception
from chassis.masks import MASK, denied, mask_key, mask_text, masked

_correlation: ContextVar[str] = ContextVar("request_number", default="")


def get(name: str) -> structlog.stdlib.BoundLogger:
    """A logger; `name` is the module's."""
    return structlog.stdlib.get_logger(name)


def correlate(request_number: str) -> None:
    """From here on in this task, lines and spans carry the journey's request number.

    Where the task goes on with something else, it is `correlated` for a while.
    """
    _set(request_number)


def _set(request_number: str) -> Token[str]:
    if request_number:
        trace.get_current_span().set_attribute("diwan.request_number", request_number)
    return _correlation.set(request_number)


@contextmanager
def correlated(request_number: str) -> Iterator[None]:
    """Lines and spans within carry the journey's request number."""
    token = _set(request_number)
    try:
        yield
    finally:
        _correlation.reset(token)


def correlation() -> str:
    """The journey's request number, "" when there is none."""
    return _correlation.get()


def setup(service: str, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send every log line of the process, ours and the libraries', to `stream` (stdout) as masked JSON."""
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.ExceptionRenderer(format_exception),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _mask,
                _context(service),
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # Of a connection that fails pika writes six lines; `messaging.connection` says it in one.
    logging.getLogger("pika").setLevel(logging.CRITICAL)
    # Of these grpc is more than noise: its debug line on a server that goes away hands out the dying object, and
    # whoever keeps log records (a test runner does) holds freed memory from then on.
    for noisy in ("opentelemetry", "pymongo", "kombu", "amqp", "grpc"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))
    logging.captureWarnings(capture=True)


def _mask(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Mask all that the line's writer gave; runs last but for what we add ourselves."""
    return {mask_key(key): MASK if denied(key) else masked(value) for key, value in event.items()}


def _context(service: str) -> Processor:
    process = {
        key: value
        for key, value in resource.attributes(service).items()
        if key.startswith(("service.", "k8s."))
    }

    def add(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event.update(process)
        context = trace.get_current_span().get_span_context()
        if context.is_valid:
            event["trace_id"] = f"{context.trace_id:032x}"
            event["span_id"] = f"{context.span_id:016x}"
        if number := _correlation.get():
            event.setdefault("request_number", mask_text(number))
        return event

    return add
