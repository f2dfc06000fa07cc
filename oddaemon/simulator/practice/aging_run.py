"""Aging: it takes time, rewrites balances in chunks, and may crash halfway.

The order is the vendor's, and careful readers rely on it: a run sets `AgingBeginDateTime` first, sets `DateLastAging`
only after it wrote the last balance, and then clears `AgingBeginDateTime`. After a crash the first stays set and the
second unchanged.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from math import ceil

import anyio
import anyio.lowlevel

from oddaemon.simulator.model.balances import Money, StoredBalance
from oddaemon.simulator.model.ledger import Family, compute_aged_row
from oddaemon.simulator.model.world_clock import OfficeClock
from oddaemon.simulator.mysql.tables import format_mysql_datetime
from oddaemon.simulator.practice.balance_table import BalanceTable
from oddaemon.simulator.practice.postings import PostingClerk
from oddaemon.simulator.practice.preferences import AGING_BEGIN_DATE_TIME, DATE_LAST_AGING, Preferences

CHUNKS_MIN = 4  # so that a reader sees a mixture even during the run of a small office
FAMILIES_PER_CHUNK_MAX = 400  # about 5 ms of work between two waits
SHARE_OF_RUN_THAT_WRITES = 0.9
SAME_DAY_RUN_SHARE = 0.3
FIRST_CRASH_SAFE_VERSION = (22, 2)  # before it a run zeroes all balances, and a crashed run blocks the next for ever


class AgingOutcome(StrEnum):
    """The outcome of an aging run, or that it is still running."""

    RUNNING = "running"
    COMPLETED = "completed"
    CRASHED = "crashed"


@dataclass(frozen=True)
class AgingRun:
    """One run, with its times.

    Attributes:
        started_at: Aware UTC.
        finished_at: Aware UTC; None while it runs, and if it crashed.
        aging_date: The office-local date as of which it ages.
        outcome: Its outcome.
        started_seconds: When it started, in seconds since the world began, unaffected by steps of the wall clock.
        ended_seconds: The same for its end, completed or crashed; None while it runs.
    """

    started_at: datetime
    finished_at: datetime | None
    aging_date: date
    outcome: AgingOutcome
    started_seconds: float = field(default=0.0, compare=False)
    ended_seconds: float | None = field(default=None, compare=False)


class AgingInProgressError(RuntimeError):
    """Aging was requested while it runs; the real program refuses this, too."""


class AgingProcess:
    """Runs aging on one office's table.

    Args:
        table: The balances.
        preferences: The preferences in which a run shows its state.
        posting_clerk: Enters the postings since the previous run.
        office_clock: The office's time.
        run_seconds: How long a run takes.
        last_aging_day: The date up to which the ledgers are complete.

    Attributes:
        runs: Every run so far, oldest first.
        run_seconds: How long the next run takes; may be changed at any time.
    """

    def __init__(
        self,
        table: BalanceTable,
        preferences: Preferences,
        posting_clerk: PostingClerk,
        office_clock: OfficeClock,
        *,
        run_seconds: float,
        last_aging_day: date,
    ) -> None:
        self.runs: list[AgingRun] = []
        self.run_seconds = run_seconds
        self._table = table
        self._preferences = preferences
        self._posting_clerk = posting_clerk
        self._office_clock = office_clock
        self._writing: anyio.CancelScope | None = None
        self._posted_until = last_aging_day

    @property
    def is_running(self) -> bool:
        """Whether a run is in progress."""
        return any(run.outcome is AgingOutcome.RUNNING for run in self.runs)

    async def run(self, aging_date: date | None = None, *, crashes: bool = False) -> AgingRun:
        """Run aging now.

        Args:
            aging_date: The day as of which it ages; by default the office's today.
            crashes: Whether it crashes halfway.

        Returns:
            The run, completed or crashed.

        Raises:
            AgingInProgressError: Another run of this office is in progress.
        """
        if self.is_running:
            raise AgingInProgressError("Aging of this office is running already; wait for it to finish.")
        as_of = aging_date or self._office_clock.today()
        number = len(self.runs)
        run = AgingRun(
            self._office_clock.world.now(),
            None,
            as_of,
            AgingOutcome.RUNNING,
            self._office_clock.world.elapsed_seconds(),
        )
        self.runs.append(run)
        self._preferences.put(AGING_BEGIN_DATE_TIME, format_mysql_datetime(self._office_clock.now()))
        self._post_new_entries()
        written = False
        seconds_after_writing = self.run_seconds * (1 - SHARE_OF_RUN_THAT_WRITES)
        with anyio.CancelScope() as self._writing:
            written = await self._write_all(as_of, crashes=crashes)
        if written:
            await anyio.sleep(seconds_after_writing / 2)
            self._preferences.put(DATE_LAST_AGING, as_of.isoformat())
            await anyio.sleep(seconds_after_writing / 2)
            self._preferences.put(AGING_BEGIN_DATE_TIME, "")
            run = replace(run, finished_at=self._office_clock.world.now(), outcome=AgingOutcome.COMPLETED)
        else:
            run = replace(run, outcome=AgingOutcome.CRASHED)
        self.runs[number] = replace(run, ended_seconds=self._office_clock.world.elapsed_seconds())
        return self.runs[number]

    def abort(self) -> None:
        """Kill the program while it writes balances: the run crashes and its lock stays.

        After the last balance is written this has no effect.
        """
        if self._writing is not None:
            self._writing.cancel()

    async def _write_all(self, as_of: date, *, crashes: bool) -> bool:
        """Age chunk after chunk; False if the run crashed."""
        if self._preferences.get_version() < FIRST_CRASH_SAFE_VERSION:
            await self._zero_balances()
        aging_day = as_of.toordinal()
        chunks = list(self._iter_chunks())
        seconds = self.run_seconds * SHARE_OF_RUN_THAT_WRITES
        for index, families in enumerate(chunks):
            await anyio.sleep(seconds / len(chunks))
            if crashes and index == len(chunks) // 2:
                return False
            self._table.rewrite(families, lambda family: compute_aged_row(family, aging_day))
        return not crashes

    async def _zero_balances(self) -> None:
        for families in self._iter_chunks():
            await anyio.lowlevel.checkpoint()
            self._table.rewrite(families, _make_zero_row)

    def _iter_chunks(self) -> Iterator[Sequence[Family]]:
        families = self._table.families
        size = min(FAMILIES_PER_CHUNK_MAX, max(1, ceil(len(families) / CHUNKS_MIN)))
        return (families[start : start + size] for start in range(0, len(families), size))

    def _post_new_entries(self) -> None:
        today = self._office_clock.today()
        days_passed = (today - self._posted_until).days
        if days_passed > 0:
            self._posting_clerk.post_since_last_aging((today - timedelta(days=1)).toordinal(), days_passed)
        else:
            self._posting_clerk.post_since_last_aging(today.toordinal(), SAME_DAY_RUN_SHARE)
        self._posted_until = max(today, self._posted_until)


def _make_zero_row(family: Family) -> StoredBalance:
    return family.row._replace(money=Money(est_balance=family.row.money.est_balance))
