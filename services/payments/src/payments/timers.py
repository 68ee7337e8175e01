"""Payments' timers: audit of the journal, inquiries about charges."""

from datetime import timedelta
from functools import partial

from chassis.timers import Timer, every

from payments import commands
from payments.audit import Audit
from payments.context import Context

CHECKS_PER_INQUIRY = 5
LONGEST_PERIOD = timedelta(minutes=1)


def table(ctx: Context, audit_seconds: float) -> list[Timer]:
    """Payments' timers."""
    period = min(LONGEST_PERIOD, ctx.inquire_after / CHECKS_PER_INQUIRY)
    return [
        every(
            "audit",
            timedelta(seconds=audit_seconds),
            Audit(ctx).run,
            invalidate=ctx.metrics.balance_unknown,
        ),
        every("inquire", period, partial(commands.inquire, ctx)),
    ]
