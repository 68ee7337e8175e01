"""Logs: structlog JSON lines on stdout, masked by construction.

Texts and fields of every line are masked, ours and a library's through `logging`. Of an exception only its class
and frames are written: its text may quote personal data, and names have no pattern to mask them by. Each line carries
the attributes `service.*` and `k8s.*` that are set (`chassis.resource`), and, where they exist, `trace_id`, `span_id`
and the journey's `request_number`.
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
from chassis.masks import MASK, is_sensitive_key, mask_key, mask_text, masked

_correlation: ContextVar[str] = ContextVar("request_number", default="")


def get(name: str) -> structlog.stdlib.BoundLogger:
    """A logger; `name` is the module's."""
    return structlog.stdlib.get_logger(name)


def correlate(request_number: str) -> None:
    """Add the journey's request number to all later lines and spans of this task.

    In a task that continues with other work, use `correlated`.
    """
    _set(request_number)


def _set(request_number: str) -> Token[str]:
    if request_number:
        trace.get_current_span().set_attribute("diwan.request_number", request_number)
    return _correlation.set(request_number)


@contextmanager
def correlated(request_number: str) -> Iterator[None]:
    """Add the journey's request number to the lines and spans of a block."""
    token = _set(request_number)
    try:
        yield
    finally:
        _correlation.reset(token)


def correlation() -> str:
    """The journey's request number in this task, "" when there is none."""
    return _correlation.get()


def setup(service: str, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Write every log line of the process, ours and the libraries', to `stream` (stdout) as masked JSON."""
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
    # pika writes six lines for a failed connection; `messaging.connection` writes one.
    logging.getLogger("pika").setLevel(logging.CRITICAL)
    # grpc's debug lines are also unsafe: the record of a server's end refers to the deallocated object, and a handler
    # that keeps records (a test runner's) then refers to freed memory.
    for noisy in ("opentelemetry", "pymongo", "kombu", "amqp", "grpc"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))
    logging.captureWarnings(capture=True)


def _mask(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Mask all fields of the line; only our own context is added after it."""
    return {mask_key(key): MASK if is_sensitive_key(key) else masked(value) for key, value in event.items()}


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
