"""Notary's own metrics: documents issued, seconds at the renderer, cases waiting by age, verifications."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta

from chassis.telemetry import Telemetry

from notary.model.content import Kind

AGES: tuple[tuple[str, timedelta], ...] = (
    ("under_1h", timedelta(hours=1)),
    ("under_4h", timedelta(hours=4)),
    ("under_1d", timedelta(days=1)),
    ("under_3d", timedelta(days=3)),
    ("older", timedelta.max),
)
"""How long a case has waited: each name with the age below which it counts."""


class Metrics:
    """Notary's metrics, kept in the process's registry."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._issued = telemetry.counter(
            "diwan_notary_documents_issued_total", "Documents printed, signed and issued", ("kind",)
        )
        self._verified = telemetry.counter(
            "diwan_notary_verifications_total",
            "Questions of third parties about a number and code",
            ("found",),
        )
        self._waiting = telemetry.gauge(
            "diwan_notary_cases_waiting",
            "Cases that wait for a reviewer, by how long they have waited",
            ("age",),
        )
        self.renderer = telemetry.histogram(
            "diwan_notary_document_seconds",
            "Time to print and sign a document, waiting for a renderer included",
        )

    def issued(self, kind: Kind) -> None:
        """A document was issued."""
        self._issued.labels(kind.value).inc()

    def verified(self, *, found: bool) -> None:
        """Somebody asked about a document."""
        self._verified.labels("yes" if found else "no").inc()

    def waiting(self, since: Iterable[datetime], now: datetime) -> None:
        """The times since when cases wait for a reviewer."""
        ages = Counter(age_of(now - time) for time in since)
        for name, _ in AGES:
            self._waiting.labels(name).set(ages[name])


def age_of(waited: timedelta) -> str:
    """The name of an age."""
    return next(name for name, limit in AGES if waited < limit or name == "older")
