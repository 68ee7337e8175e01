"""Notary's timers: return of undecided cases to the queue, count of waiting cases by age."""

from datetime import timedelta
from functools import partial
from itertools import pairwise

from chassis.commands import Cause, cause_id
from chassis.timers import Timer, every

from notary import commands
from notary.context import Context
from notary.metrics import AGES
from notary.settings import Settings

CASES_PER_RUN = 200
COUNT_PERIOD = timedelta(seconds=15)


def table(ctx: Context, settings: Settings) -> list[Timer]:
    """Notary's timers."""
    release = partial(release_lying, ctx, timedelta(hours=settings.claim_hours))
    return [
        every("release_lying_cases", timedelta(seconds=settings.release_seconds), release),
        every(
            "count_waiting_cases",
            COUNT_PERIOD,
            partial(count_waiting, ctx),
            invalidate=ctx.metrics.waiting_unknown,
        ),
    ]


async def release_lying(ctx: Context, age: timedelta) -> None:
    """Return cases claimed longer ago than `age` to the queue, at most CASES_PER_RUN in one run."""
    now = ctx.clock()
    for case in await ctx.store.lying_since(now - age, CASES_PER_RUN):
        assert case.claims, "a case in review was claimed"
        cause = Cause(id=cause_id("timer", "release", case.id, case.claims[-1].id), now=now)
        await commands.release(ctx, case.id, cause, age)


async def count_waiting(ctx: Context) -> None:
    """Count the waiting cases by age, by the index of the queue."""
    now = ctx.clock()
    # Cases are queued and claimed between two counts, so a difference may be negative for a moment.
    counts = [await ctx.store.count_waiting(now - age if age else None) for age in AGES.values()]
    numbers = (max(0, older - oldest) for older, oldest in pairwise([*counts, 0]))
    ctx.metrics.waiting(dict(zip(AGES, numbers, strict=True)))
