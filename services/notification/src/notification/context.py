"""What notification's use cases work with."""

from dataclasses import dataclass

from notification.catalogue import Catalogue
from notification.metrics import Metrics
from notification.store import Store


@dataclass(frozen=True)
class Context:
    """Made once, at start."""

    store: Store
    catalogue: Catalogue
    metrics: Metrics
