"""What operators see of payments: how many came to which state, and whether the books balance."""

import math
from datetime import datetime

from chassis.telemetry import Telemetry

from payments.model.payment import Payment


class Metrics:
    """Payments' own metrics."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._payments = telemetry.counter(
            "diwan_payments_payments", "Payments that came to a state", ("service", "state")
        )
        self._overpaid = telemetry.counter(
            "diwan_payments_overpaid", "Charges settled for a fee that was paid already"
        )
        self._imbalance = telemetry.gauge(
            "diwan_payments_ledger_imbalance_piastres",
            "Sum of all legs of the journal; anything but 0 is a fault, NaN where this process does not know",
        )
        self._unbalanced = telemetry.gauge(
            "diwan_payments_ledger_unbalanced_entries",
            "Journal entries whose legs do not sum to zero, NaN where this process does not know",
        )
        self._audited = telemetry.gauge(
            "diwan_payments_ledger_audit_timestamp_seconds",
            "When new entries (recent) and all of them (whole) were last looked over to the end, Unix time",
            ("scope",),
        )
        self.balance_unknown()

    def moved(self, before: Payment | None, after: Payment) -> None:
        """Count a payment that came to another state."""
        if before is None or before.state is not after.state:
            self._payments.labels(after.service, after.state.value).inc()

    def overpaid(self) -> None:
        """Count money taken a second time."""
        self._overpaid.inc()

    def balance(self, imbalance: int, unbalanced: int) -> None:
        """Show what was found in the journal."""
        self._imbalance.set(imbalance)
        self._unbalanced.set(unbalanced)

    def balance_unknown(self) -> None:
        """Show that nothing is known of the journal: 0 would say that all is well."""
        self._imbalance.set(math.nan)
        self._unbalanced.set(math.nan)

    def audited(self, scope: str, now: datetime) -> None:
        """Show how far the audit came: `recent` or `whole`."""
        self._audited.labels(scope).set(now.timestamp())
