"""Aging: of all families at night, or of a few whenever charges or payments concern them.

The order is the vendor's, and careful readers rely on it: a run sets `AgingBeginDateTime` first, sets `DateLastAging`
only after it wrote the last balance, and then clears `AgingBeginDateTime`. After a crash the first stays set and the
second unchanged. From version 22.2 on a run writes all balances in one statement, so that a crash leaves no mixture;
before, it zeroes them and refills them in chunks. Aging of some families takes the same lock and never moves the date.
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
from oddaemon.simulator.model.world_clock import ServerClock
from oddaemon.simulator.mysql.tables import format_mysql_datetime
from oddaemon.simulator.practice.balance_table import BalanceTable
from oddaemon.simulator.practice.postings import PostingClerk
from oddaemon.simulator.practice.preferences import (
    AGING_BEGIN_DATE_TIME,
    AGING_MONTHLY,
    DATE_LAST_AGING,
    Preferences,
)

PARTIAL_SECONDS = 3.0
PARTIAL_FAMILIES = 5
CHUNKS_MIN = 4  # so that a reader sees a mixture even during the run of a small office
FAMILIES_PER_CHUNK_MAX = 400  # about 5 ms of work between two waits
SHARE_OF_RUN_THAT_WRITES = 0.9
SAME_DAY_RUN_SHARE = 0.3
ONE_WRITE_VERSION = (22, 2)  # before it a run zeroes all balances and refills them


class AgingOutcome(StrEnum):
    """The outcome of an aging run, or that it is still running."""

    RUNNING = "running"
    COMPLETED = "completed"
    CRASHED = "crashed"
    ROLLED_BACK = "rolled_back"
    """Its one statement failed, as by a deadlock: nothing was written, and the lock is cleared."""


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
        one_write: Whether it writes all balances at one instant, or nothing.
    """

    started_at: datetime
    finished_at: datetime | None
    aging_date: date
    outcome: AgingOutcome
    started_seconds: float = field(default=0.0, compare=False)
    ended_seconds: float | None = field(default=None, compare=False)
    one_write: bool = field(default=True, compare=False)


@dataclass
class PartialRun:
    """Aging of some families. Times are in seconds since the world began; `ended_seconds` is None while it runs."""

    started_seconds: float
    ended_seconds: float | None = None


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
        runs: Every run of all families so far, oldest first.
        partial_runs: The same of some families.
        run_seconds: How long the next run takes; may be changed at any time.
    """

    def __init__(
        self,
        table: BalanceTable,
        preferences: Preferences,
        posting_clerk: PostingClerk,
        office_clock: ServerClock,
        *,
        run_seconds: float,
        last_aging_day: date,
    ) -> None:
        self.runs: list[AgingRun] = []
        self.partial_runs: list[PartialRun] = []
        self.run_seconds = run_seconds
        self._table = table
        self._preferences = preferences
        self._posting_clerk = posting_clerk
        self._office_clock = office_clock
        self._writing: anyio.CancelScope | None = None
        self._posted_until = last_aging_day
        self._rolls_back = False
        self._partial_ended = anyio.Event()

    @property
    def is_running(self) -> bool:
        """Whether a run of all families is in progress."""
        return any(run.outcome is AgingOutcome.RUNNING for run in self.runs)

    @property
    def is_partly_running(self) -> bool:
        """Whether some families are being aged."""
        return any(run.ended_seconds is None for run in self.partial_runs)

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
        self._require_idle()
        as_of = aging_date or self._office_clock.today()
        number = len(self.runs)
        run = AgingRun(
            self._office_clock.world.now(),
            None,
            as_of,
            AgingOutcome.RUNNING,
            self._office_clock.world.elapsed_seconds(),
            one_write=self._preferences.get_version() >= ONE_WRITE_VERSION,
        )
        self.runs.append(run)
        self._preferences.put(AGING_BEGIN_DATE_TIME, format_mysql_datetime(self._office_clock.now()))
        self._post_new_entries()
        written = self._rolls_back = False
        seconds_after_writing = self.run_seconds * (1 - SHARE_OF_RUN_THAT_WRITES)
        with anyio.CancelScope() as self._writing:
            written = await self._write_all(as_of, crashes=crashes)
        if written:
            await anyio.sleep(seconds_after_writing / 2)
            self._preferences.put(DATE_LAST_AGING, as_of.isoformat())
            await anyio.sleep(seconds_after_writing / 2)
            self._preferences.put(AGING_BEGIN_DATE_TIME, "")
            run = replace(run, finished_at=self._office_clock.world.now(), outcome=AgingOutcome.COMPLETED)
        elif self._rolls_back:
            self._preferences.put(AGING_BEGIN_DATE_TIME, "")
            run = replace(run, outcome=AgingOutcome.ROLLED_BACK)
        else:
            run = replace(run, outcome=AgingOutcome.CRASHED)
        self.runs[number] = replace(run, ended_seconds=self._office_clock.world.elapsed_seconds())
        return self.runs[number]

    async def run_partial(self, families: int = PARTIAL_FAMILIES, seconds: float = PARTIAL_SECONDS) -> None:
        """Age some families, as when repeating charges are posted: the lock comes and goes, and the date stays.

        Args:
            families: How many.
            seconds: How long it takes.

        Raises:
            AgingInProgressError: The lock is held.
        """
        if self._preferences.get(AGING_BEGIN_DATE_TIME):
            raise AgingInProgressError("The lock of aging is set; wait until it is cleared.")
        run = PartialRun(self._office_clock.world.elapsed_seconds())
        self.partial_runs.append(run)
        self._partial_ended = anyio.Event()
        self._preferences.put(AGING_BEGIN_DATE_TIME, format_mysql_datetime(self._office_clock.now()))
        try:
            await anyio.sleep(seconds)
            day = self._find_partial_day()
            posted = [self._posting_clerk.post_one(day) for _ in range(families)]
            changed = {family.guarantor: family for family in posted if family is not None}
            self._table.rewrite(changed.values(), lambda family: compute_aged_row(family, day))
        finally:
            self._preferences.put(AGING_BEGIN_DATE_TIME, "")
            run.ended_seconds = self._office_clock.world.elapsed_seconds()
            self._partial_ended.set()

    async def wait_for_partial(self) -> None:
        """Wait until no families are being aged."""
        if self.is_partly_running:
            await self._partial_ended.wait()

    def abort(self, *, rolls_back: bool = False) -> None:
        """Kill the program while it writes balances: the run crashes and its lock stays.

        After the last balance is written this has no effect.

        Args:
            rolls_back: Only the statement fails, not the program: nothing is written, and the lock is cleared. Has no
                effect on a run that does not write in one statement.
        """
        if self._writing is None or (rolls_back and not (self.runs and self.runs[-1].one_write)):
            return
        self._rolls_back = rolls_back
        self._writing.cancel()

    def _require_idle(self) -> None:
        if self.is_running or self.is_partly_running:
            raise AgingInProgressError("Aging of this office is running already; wait for it to finish.")

    def _find_partial_day(self) -> int:
        """The day as of which some families are aged: the day of all others where aging is monthly."""
        last = self._preferences.get(DATE_LAST_AGING)
        if last and self._preferences.get(AGING_MONTHLY) == "1":
            return date.fromisoformat(last).toordinal()
        return self._office_clock.today().toordinal()

    async def _write_all(self, as_of: date, *, crashes: bool) -> bool:
        """Age all families; False if the run crashed."""
        aging_day = as_of.toordinal()
        if self.runs[-1].one_write:
            await anyio.sleep(self.run_seconds * SHARE_OF_RUN_THAT_WRITES / (2 if crashes else 1))
            if not crashes:
                self._table.rewrite(self._table.families, lambda family: compute_aged_row(family, aging_day))
            return not crashes
        await self._zero_balances()
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
