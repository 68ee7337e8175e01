"""What payments' use cases work with."""

from dataclasses import dataclass

from payments.figures import Figures
from payments.store import Store


@dataclass(frozen=True)
class Context:
    """Made once, at start."""

    store: Store
    figures: Figures
