"""A table: what happens by itself."""

from datetime import timedelta
from functools import partial

from chassis.timers import Timer, every

from payments import commands
from payments.audit import Audit
from payments.context import Context

LOOKS_IN_OUR_PATIENCE = 5
SLOWEST_LOOK = timedelta(minutes=1)


def table(ctx: Context, audit_seconds: float) -> list[Timer]:
    """Every timer of payments."""
    look = min(SLOWEST_LOOK, ctx.patience / LOOKS_IN_OUR_PATIENCE)
    return [
        every("audit", timedelta(seconds=audit_seconds), Audit(ctx).run),
        every("inquire", look, partial(commands.inquire, ctx)),
    ]
