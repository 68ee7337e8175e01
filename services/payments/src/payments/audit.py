"""The books looked over, a bounded piece at a time, whatever wrote them.

Two walks, oldest entry first. One follows what is booked, so that a crooked new entry shows within a run or two. The
other goes through the whole journal from the beginning, again and again. An entry that balances adds nothing to the sum
of all legs: that sum is the sum of the crooked ones.
"""

from datetime import timedelta

from chassis.pages import Cursor

from payments.context import Context

PAGE = 500
MOST_PAGES = 20
"""In one run, by each walk."""

LOOKED_BACK = timedelta(minutes=15)
"""Where the walk behind new entries begins when a process begins."""


class Audit:
    """Both walks; made once in a process."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._newest = Cursor((ctx.clock() - LOOKED_BACK,), "")
        self._cursor: Cursor | None = None
        self._before: dict[str, int] = {}
        self._now: dict[str, int] = {}

    async def run(self) -> None:
        """Walk on, and show what is wrong: in the last whole walk, and since. What raises shows as not known."""
        try:
            self._newest = await self._walk(self._newest) or self._newest
            self._cursor = await self._walk(self._cursor)
        except BaseException:
            self._ctx.metrics.balance_unknown()
            raise
        crooked = self._before | self._now
        if self._cursor is None:
            # The end was reached: what was mended meanwhile is forgotten.
            self._before, self._now = self._now, {}
            crooked = self._before
            self._ctx.metrics.audited("whole", self._ctx.clock())
        self._ctx.metrics.audited("recent", self._ctx.clock())
        self._ctx.metrics.balance(sum(crooked.values()), len(crooked))

    async def _walk(self, after: Cursor | None) -> Cursor | None:
        """Look at the entries after a place; where this run came to, None if there are no more."""
        for _ in range(MOST_PAGES):
            page = await self._ctx.store.sums(after, PAGE)
            self._now |= {entry.id: total for entry, total in page if total}
            after = page[-1][0] if page else after
            if len(page) < PAGE:
                return None
        return after
