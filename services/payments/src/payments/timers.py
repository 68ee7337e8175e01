"""A table: what happens by itself."""

from datetime import timedelta
from functools import partial

from chassis.timers import Timer, every

from payments import queries
from payments.context import Context


def table(ctx: Context, audit_seconds: float) -> list[Timer]:
    """Every timer of payments."""
    return [every("audit", timedelta(seconds=audit_seconds), partial(queries.audit, ctx))]
