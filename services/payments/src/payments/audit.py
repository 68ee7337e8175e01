"""Audit of the stored journal, whichever program wrote it: a bounded number of entries in each run.

Two scans, oldest entry first. One follows new entries, so that an unbalanced new entry is reported within two runs. The
other reads the whole journal and then starts again. The legs of a balanced entry sum to zero, so the sum of all legs is
the sum of the unbalanced entries.
"""

from datetime import timedelta

from chassis.pages import Cursor

from payments.context import Context

PAGE = 500
MOST_PAGES = 20
"""Limit of pages for each scan in one run."""

LOOKED_BACK = timedelta(minutes=15)
"""Age of the first entry that the scan of new entries reads after the start of a process."""


class Audit:
    """Both scans; created once in a process."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._newest = Cursor((ctx.clock() - LOOKED_BACK,), "")
        self._cursor: Cursor | None = None
        self._before: dict[str, int] = {}
        self._now: dict[str, int] = {}

    async def run(self) -> None:
        """Continue both scans, and report the unbalanced entries of the last complete scan and since.

        After an exception, the balance is reported as unknown.
        """
        try:
            self._newest = await self._scan(self._newest) or self._newest
            self._cursor = await self._scan(self._cursor)
        except BaseException:
            self._ctx.metrics.balance_unknown()
            raise
        unbalanced = self._before | self._now
        if self._cursor is None:
            # A complete scan ended: entries that were corrected since the previous one are no longer reported.
            self._before, self._now = self._now, {}
            unbalanced = self._before
            self._ctx.metrics.audited("whole", self._ctx.clock())
        self._ctx.metrics.audited("recent", self._ctx.clock())
        self._ctx.metrics.balance(sum(unbalanced.values()), len(unbalanced))

    async def _scan(self, after: Cursor | None) -> Cursor | None:
        """Sum the entries after a position; returns the last position of this run, None at the end of the journal."""
        for _ in range(MOST_PAGES):
            page = await self._ctx.store.sums(after, PAGE)
            self._now |= {entry.id: total for entry, total in page if total}
            after = page[-1][0] if page else after
            if len(page) < PAGE:
                return None
        return after
