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
"""Classes of waiting time: each name with its exclusive upper limit."""


class Metrics:
    """Notary's metrics, kept in the process's registry."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._issued = telemetry.counter(
            "diwan_notary_documents_issued_total", "Documents printed, signed and issued", ("kind",)
        )
        self._verified = telemetry.counter(
            "diwan_notary_verifications_total",
            "Verifications of a number and code by third parties",
            ("found",),
        )
        self._waiting = telemetry.gauge(
            "diwan_notary_cases_waiting",
            "Cases that wait for a reviewer, by waiting time",
            ("age",),
        )
        self.renderer = telemetry.histogram(
            "diwan_notary_document_seconds",
            "Time to print and sign a document, waiting for a renderer included",
        )

    def issued(self, kind: Kind) -> None:
        """Count an issued document."""
        self._issued.labels(kind.value).inc()

    def verified(self, *, found: bool) -> None:
        """Count a verification; `found` if number and code match a document."""
        self._verified.labels("yes" if found else "no").inc()

    def waiting(self, since: Iterable[datetime], now: datetime) -> None:
        """Set the numbers of waiting cases by waiting time; `since` is the start of each case's wait."""
        ages = Counter(age_of(now - time) for time in since)
        for name, _ in AGES:
            self._waiting.labels(name).set(ages[name])


def age_of(waited: timedelta) -> str:
    """The name of the class of a waiting time."""
    return next(name for name, limit in AGES if waited < limit or name == "older")
