"""Dependencies of payments' use cases."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from payments.metrics import Metrics
from payments.store import Store


@dataclass(frozen=True)
class Context:
    """Created once, at start. `inquire_after` is the time without an event after which a charge is inquired about."""

    store: Store
    metrics: Metrics
    inquire_after: timedelta
    clock: Callable[[], datetime]
