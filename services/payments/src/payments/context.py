"""What payments' use cases work with."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from payments.figures import Figures
from payments.store import Store


@dataclass(frozen=True)
class Context:
    """Made once, at start. `patience` is how long we wait for news of a charge before we inquire."""

    store: Store
    figures: Figures
    patience: timedelta
    clock: Callable[[], datetime]
