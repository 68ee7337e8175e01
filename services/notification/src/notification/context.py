"""Dependencies of notification's use cases."""

from dataclasses import dataclass

from notification.catalogue import Catalogue
from notification.metrics import Metrics
from notification.store import Store


@dataclass(frozen=True)
class Context:
    """Store, catalogue and metrics; created once, at start."""

    store: Store
    catalogue: Catalogue
    metrics: Metrics
