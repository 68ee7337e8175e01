"""Payments' own metrics: payments by state, and the balance of the journal."""

import math
from datetime import datetime

from chassis.telemetry import Telemetry

from payments.model.payment import Payment


class Metrics:
    """Payments' own metrics."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._payments = telemetry.counter(
            "diwan_payments_payments", "Payments that entered a state", ("service", "state")
        )
        self._overpaid = telemetry.counter(
            "diwan_payments_overpaid", "Charges settled for a fee that was already paid"
        )
        self._contradicted = telemetry.counter(
            "diwan_payments_contradictions",
            "Reports of the acquirer that contradict what was requested or reported before; each is parked",
            ("reason",),
        )
        self._imbalance = telemetry.gauge(
            "diwan_payments_ledger_imbalance_piastres",
            "Sum of all legs of the journal; any value but 0 is a fault, NaN if this process has no result",
        )
        self._unbalanced = telemetry.gauge(
            "diwan_payments_ledger_unbalanced_entries",
            "Journal entries whose legs do not sum to zero, NaN if this process has no result",
        )
        self._audited = telemetry.gauge(
            "diwan_payments_ledger_audit_timestamp_seconds",
            "Time of the last completed audit of new entries (recent) and of all entries (whole), Unix time",
            ("scope",),
        )
        self.balance_unknown()

    def moved(self, before: Payment | None, after: Payment) -> None:
        """Count a payment whose state changed."""
        if before is None or before.state is not after.state:
            self._payments.labels(after.service, after.state.value).inc()

    def overpaid(self) -> None:
        """Count a second settled charge for one fee."""
        self._overpaid.inc()

    def contradicted(self, reason: str) -> None:
        """Count a report of the acquirer that contradicts others, by the reason of its refusal."""
        self._contradicted.labels(reason).inc()

    def balance(self, imbalance: int, unbalanced: int) -> None:
        """Set the sum of all legs (piastres) and the number of unbalanced entries."""
        self._imbalance.set(imbalance)
        self._unbalanced.set(unbalanced)

    def balance_unknown(self) -> None:
        """Set the balance to NaN, because 0 would mean a balanced journal."""
        self._imbalance.set(math.nan)
        self._unbalanced.set(math.nan)

    def audited(self, scope: str, now: datetime) -> None:
        """Set the time of a completed audit; `scope` is `recent` or `whole`."""
        self._audited.labels(scope).set(now.timestamp())
