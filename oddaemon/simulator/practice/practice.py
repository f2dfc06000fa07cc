"""One simulated dental practice: its database, clock and nightly aging, and the true balances behind them.

The truth (`balances`, `aging`) is computed from the ledgers and never from the database.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import date, time, timedelta
from random import Random

import anyio
import anyio.abc

from oddaemon.simulator.model.ledger import recalculate
from oddaemon.simulator.model.spec import PracticeSpec
from oddaemon.simulator.model.world_clock import ServerClock, WorldClock
from oddaemon.simulator.mysql.engine import SqlEngine
from oddaemon.simulator.mysql.tables import Tables, format_mysql_datetime
from oddaemon.simulator.practice.aging_report import ReportLine, build_report
from oddaemon.simulator.practice.aging_run import AgingInProgressError, AgingProcess
from oddaemon.simulator.practice.balance_table import BalanceTable
from oddaemon.simulator.practice.families import build_families
from oddaemon.simulator.practice.nightly_service import NightlyService
from oddaemon.simulator.practice.postings import PostingClerk
from oddaemon.simulator.practice.preferences import (
    AGING_MONTHLY,
    DATE_LAST_AGING,
    HEARTBEAT,
    Preferences,
    make_initial_preferences,
)

SECONDS_PER_HOUR = 3600


class Practice:
    """A practice that follows from its spec.

    Args:
        spec: The specification.
        clock: The world's time.

    Attributes:
        preferences: The settings and the state of aging; a change by an administrator is `set_preference`.
        tables: The database.
        balances: The true balances, now and in the past.
        aging: The aging program and its runs.
        service: The service that starts aging at night.
    """

    def __init__(self, spec: PracticeSpec, clock: WorldClock) -> None:
        self.spec = spec
        self.clock = clock
        self._office_clock = ServerClock(clock, spec.zone, spec.clock_skew_seconds)
        self.tables = Tables()
        last_aging = spec.find_last_aging_day(self._office_clock.now())
        self.preferences = Preferences(self.tables, make_initial_preferences(spec, last_aging), clock.elapsed_seconds)
        ledger_day = last_aging or self.today() - timedelta(days=1)
        self.balances = self._populate(ledger_day, ever_aged=last_aging is not None)
        self._posting_clerk = PostingClerk(
            self.balances.families, Random(f"{spec.seed}:desk"), three_decimals=spec.three_decimals
        )
        self.aging = AgingProcess(
            self.balances,
            self.preferences,
            self._posting_clerk,
            self._office_clock,
            run_seconds=spec.run_seconds,
            last_aging_day=ledger_day,
        )
        self.service = NightlyService(
            self.aging,
            self.preferences,
            self._office_clock,
            start_delay_seconds=spec.start_delay_seconds,
            crashes=spec.crashes,
        )
        self._tasks: anyio.abc.TaskGroup | None = None
        self._engine = SqlEngine(
            self.tables.connection,
            self._office_clock,
            group_concat_max_len=spec.group_concat_max_len,
            refuses=spec.refuses,
        )

    def today(self) -> date:
        """The date on the office's own clock."""
        return self._office_clock.today()

    def list_preferences(self, pref_name: str | None, age_seconds: float = 0.0) -> list[dict[str, object]]:
        """Rows of `GET /preferences` (`PrefNum`, `PrefName`, `ValueString`); all rows if no name is given.

        With an age, the state of aging in them is as it was then.
        """
        self._update_heartbeat()
        return self.preferences.list_rows(pref_name, age_seconds)

    def set_preference(self, pref_name: str, value: str) -> None:
        """Change a preference as an administrator does. The service notices it at once."""
        self.preferences.put(pref_name, value)
        self.service.wake_up()

    def list_clinics(self) -> list[dict[str, object]]:
        """Rows of `GET /clinics`, without hidden clinics and without ClinicNum 0."""
        return [
            {"ClinicNum": clinic_num, "Description": description, "Abbr": abbr, "IsHidden": "false"}
            for clinic_num, description, abbr, is_hidden in _make_clinic_rows(self.spec.clinics)
            if not is_hidden
        ]

    def get_aging_report(self, as_of: date, clinics: Sequence[int] = ()) -> list[ReportLine]:
        """The aging report of a day from the present ledgers, ordered by name, without a page cap."""
        spec = self.spec
        return build_report(
            self.balances.families, as_of, clinics, claims=spec.report_claims, with_credits=spec.report_credits
        )

    def run_short_query(self, sql: str) -> list[dict[str, object]]:
        """Run a SELECT of MySQL.

        Returns:
            All rows, without a cap, as JSON-ready values under the column aliases as written.

        Raises:
            QueryRefused: The office's query filter rejects it.
            SqlFailed: The office's database answers with an error.
        """
        self._update_heartbeat()
        return self._engine.select(sql)

    async def run(self) -> None:
        """Run nightly aging and the activity of the day until cancelled."""
        async with anyio.create_task_group() as self._tasks:
            group = self._tasks
            group.start_soon(self.service.run)
            if self.spec.repeating_charges_time is not None:
                at = time.fromisoformat(self.spec.repeating_charges_time)
                group.start_soon(
                    self.service.post_repeating_charges, at, self.spec.partial_families, self.spec.partial_seconds
                )
            if self.spec.activity_per_hour > 0:
                group.start_soon(self._run_activity)

    def start_partial_aging(self, families: int, seconds: float) -> None:
        """Begin aging of some families beside whatever runs now; nothing happens while the lock is held.

        Raises:
            RuntimeError: The practice does not run.
        """
        if self._tasks is None:
            raise RuntimeError("Start the practice's `run` first.")
        self._tasks.start_soon(self._age_some_families, families, seconds)

    async def _age_some_families(self, families: int, seconds: float) -> None:
        with suppress(AgingInProgressError):
            await self.aging.run_partial(families, seconds)

    def post_activity(self, families: int = 1) -> None:
        """Let users open accounts and make entries now, which recalculates these families at once.

        Args:
            families: How many. The kinds alternate: a payment, a charge, a family that pays everything, a settled
                family that returns.
        """
        as_of = self.today()
        last_aging = self.preferences.get(DATE_LAST_AGING)
        if last_aging and self.preferences.get(AGING_MONTHLY) == "1":
            as_of = date.fromisoformat(last_aging)
        for _ in range(families):
            family = self._posting_clerk.post_one(as_of.toordinal())
            if family is not None:
                self.balances.rewrite([family], lambda changed: recalculate(changed, as_of.toordinal()))

    def _populate(self, ledger_day: date, *, ever_aged: bool) -> BalanceTable:
        rng = Random(f"{self.spec.seed}:families")
        families = build_families(self.spec, rng, ledger_day.toordinal(), ever_aged=ever_aged)
        self.tables.insert_families(families, rng, ledger_day)
        self.tables.insert_clinics(_make_clinic_rows(self.spec.clinics))
        return BalanceTable(families, self.tables, self._office_clock)

    def _update_heartbeat(self) -> None:
        self.preferences.put(HEARTBEAT, format_mysql_datetime(self.service.get_heartbeat()))

    async def _run_activity(self) -> None:
        rng = Random(f"{self.spec.seed}:activity")
        while True:
            await anyio.sleep(rng.expovariate(self.spec.activity_per_hour / SECONDS_PER_HOUR))
            self.post_activity()


def _make_clinic_rows(count: int) -> list[tuple[int, str, str, bool]]:
    """Make clinics as (ClinicNum, Description, Abbr, IsHidden). Every fourth is hidden, and the last of several."""
    return [
        (clinic_num, f"Clinic {clinic_num}", f"C{clinic_num}", clinic_num % 4 == 0 or clinic_num == count > 1)
        for clinic_num in range(1, count + 1)
    ]
