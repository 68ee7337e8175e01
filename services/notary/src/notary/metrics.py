"""Notary's own metrics: documents issued, seconds at the renderer, cases waiting by age, verifications."""

import math
from collections.abc import Mapping
from datetime import timedelta

from chassis.telemetry import Telemetry

from notary.model.content import Kind

AGES: Mapping[str, timedelta] = {
    "under_1h": timedelta(),
    "under_4h": timedelta(hours=1),
    "under_1d": timedelta(hours=4),
    "under_3d": timedelta(days=1),
    "older": timedelta(days=3),
}
"""Classes of waiting time, shortest first: the lower limit of each, which is the upper limit of the one before."""


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
            "Cases that wait for a reviewer, by waiting time; NaN if this process has no result",
            ("age",),
        )
        self.waiting_unknown()
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

    def waiting(self, numbers: Mapping[str, float]) -> None:
        """Set the number of waiting cases of each class of waiting time."""
        for name, number in numbers.items():
            self._waiting.labels(name).set(number)

    def waiting_unknown(self) -> None:
        """Set the numbers of waiting cases to NaN, because 0 would mean an empty queue."""
        self.waiting(dict.fromkeys(AGES, math.nan))
