"""Dependencies of notification's use cases."""

from dataclasses import dataclass

from chassis.key_ring import KeyRing

from notification.catalogue import Catalogue
from notification.metrics import Metrics
from notification.store import Store


@dataclass(frozen=True)
class Context:
    """Store, catalogue, metrics and keys; created once, at start."""

    store: Store
    catalogue: Catalogue
    metrics: Metrics
    keys: KeyRing

    def recipient(self, mobile: str) -> str:
        """Keyed hash of a mobile in E.164, hex: the same for all messages to one phone."""
        return self.keys.keyed_hash(mobile, "recipient")
