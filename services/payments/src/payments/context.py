"""What payments' use cases work with."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from payments.metrics import Metrics
from payments.store import Store


@dataclass(frozen=True)
class Context:
    """Made once, at start. `patience` is how long we wait for news of a charge before we inquire."""

    store: Store
    metrics: Metrics
    patience: timedelta
    clock: Callable[[], datetime]
