"""One simulated dental practice: its database, clock, nightly aging, and the true balances.

Readers get the responses of a real office (`preferences`, `list_clinics`, `short_query`). Tests get the truth behind
them (`truth`, `was_true`, `aging_runs`), which is computed from the ledgers and never from the database.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from random import Random
from typing import Literal

import anyio

from oddaemon.simulator.model.balances import TrueBalance
from oddaemon.simulator.model.ledger import recalculate
from oddaemon.simulator.model.office_clock import OfficeClock
from oddaemon.simulator.model.spec import PracticeSpec
from oddaemon.simulator.model.world_clock import WorldClock
from oddaemon.simulator.mysql.engine import SqlEngine
from oddaemon.simulator.mysql.errors import QueryRefused, SqlFailed
from oddaemon.simulator.mysql.tables import Tables
from oddaemon.simulator.practice.aging_report import ReportLine, build_report
from oddaemon.simulator.practice.aging_run import AgingInProgressError, AgingOutcome, AgingProcess, AgingRun
from oddaemon.simulator.practice.balance_table import BalanceTable
from oddaemon.simulator.practice.families import build_families
from oddaemon.simulator.practice.initial_rows import find_last_aging_day, make_clinic_rows, make_initial_preferences
from oddaemon.simulator.practice.nightly_service import NightlyService
from oddaemon.simulator.practice.postings import PostingClerk
from oddaemon.simulator.practice.preferences import (
    AGING_MONTHLY,
    DATE_LAST_AGING,
    HEARTBEAT,
    PROGRAM_VERSION,
    Preferences,
)

__all__ = [
    "AgingInProgressError",
    "AgingOutcome",
    "AgingRun",
    "Practice",
    "PracticeSpec",
    "QueryRefused",
    "SqlFailed",
    "TrueBalance",
]

SECONDS_PER_HOUR = 3600


class Practice:
    """A practice that follows from its spec.

    Args:
        spec: The specification.
        clock: The world's time.
    """

    def __init__(self, spec: PracticeSpec, clock: WorldClock) -> None:
        self.spec = spec
        self.clock = clock
        self._office_clock = OfficeClock(clock, spec.zone, spec.clock_skew_seconds)
        self._tables = Tables()
        last_aging = find_last_aging_day(spec, self._office_clock.today())
        self._preferences = Preferences(self._tables, make_initial_preferences(spec, last_aging))
        ledger_day = last_aging or self._office_clock.today() - timedelta(days=1)
        self._table = self._populate(ledger_day, ever_aged=last_aging is not None)
        self._posting_clerk = PostingClerk(
            self._table.families, Random(f"{spec.seed}:desk"), three_decimals=spec.three_decimals
        )
        self._aging = AgingProcess(
            self._table,
            self._preferences,
            self._posting_clerk,
            clock,
            self._office_clock,
            run_seconds=spec.run_seconds,
            last_aging_day=ledger_day,
        )
        self._service = NightlyService(
            self._aging,
            self._preferences,
            clock,
            self._office_clock,
            start_delay_seconds=spec.start_delay_seconds,
            crashes=spec.crashes,
        )
        self._engine = SqlEngine(
            self._tables.connection,
            self._office_clock,
            group_concat_max_len=spec.group_concat_max_len,
            refuses=spec.refuses,
        )

    @property
    def aging_runs(self) -> list[AgingRun]:
        """All runs since the world began, oldest first; the list grows."""
        return self._aging.runs

    @property
    def is_aging(self) -> bool:
        """Whether a run is in progress."""
        return self._aging.is_running

    def list_preferences(self, pref_name: str | None) -> list[dict[str, object]]:
        """Rows of `GET /preferences` (`PrefNum`, `PrefName`, `ValueString`); all rows if no name is given."""
        self._update_heartbeat()
        return self._preferences.list_rows(pref_name)

    def set_preference(self, pref_name: str, value: str) -> None:
        """Change a preference as an administrator does. The service notices it at once."""
        self._preferences.put(pref_name, value)
        self._service.wake_up()

    def list_clinics(self) -> list[dict[str, object]]:
        """Rows of `GET /clinics`, without hidden clinics and without ClinicNum 0."""
        return [
            {"ClinicNum": clinic_num, "Description": description, "Abbr": abbr, "IsHidden": "false"}
            for clinic_num, description, abbr, is_hidden in make_clinic_rows(self.spec.clinics)
            if not is_hidden
        ]

    def get_aging_report(self, as_of: date, clinics: Sequence[int] = ()) -> list[ReportLine]:
        """The aging report of a day from the present ledgers, ordered by name, without a page cap."""
        return build_report(self._table.families, as_of, clinics)

    def grant_key(self, developer_name: str, customer_key: str) -> None:
        """Create an API key for a developer: a row in table `apikey`."""
        self._tables.insert_key(customer_key, developer_name)

    def revoke_key(self, customer_key: str) -> None:
        """Remove an API key from the office's list. Headquarters may still accept it."""
        self._tables.delete_key(customer_key)

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

    async def run_aging(self, aging_date: date | None = None) -> AgingRun:
        """Run aging by hand now. The run takes `run_seconds` and never crashes.

        Args:
            aging_date: Age as of this day instead of the office's today.

        Raises:
            AgingInProgressError: Aging is running already.
        """
        return await self._aging.run(aging_date)

    def set_aging_seconds(self, run_seconds: float) -> None:
        """Set the duration of later runs; a run in progress keeps its own."""
        self._aging.run_seconds = run_seconds

    def abort_aging(self) -> None:
        """Kill a running aging program: the run crashes and its lock stays."""
        self._aging.abort()

    def set_service_delay(self, seconds: float) -> None:
        """Set the delay with which the service starts aging; over an hour means that the service is down."""
        self._service.set_delay(seconds)

    def today(self) -> date:
        """The date on the office's own clock."""
        return self._office_clock.today()

    def get_preference(self, pref_name: str) -> str:
        """The value of a preference, without an entry in the traffic log; empty if there is no such preference."""
        return self._preferences.get(pref_name)

    @property
    def program_version(self) -> str:
        """The present version of the office's Open Dental; a change of the preference is an update."""
        return self.get_preference(PROGRAM_VERSION)

    async def run(self) -> None:
        """Run nightly aging and the activity of the day until cancelled."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._service.run)
            if self.spec.activity_per_hour > 0:
                group.start_soon(self._run_activity)

    def post_activity(self, families: int = 1) -> None:
        """Let users open accounts and make entries now, which recalculates these families at once.

        Args:
            families: How many. The kinds alternate: a payment, a charge, a family that pays everything, a settled
                family that returns.
        """
        as_of = self._office_clock.today()
        last_aging = self._preferences.get(DATE_LAST_AGING)
        if last_aging and self._preferences.get(AGING_MONTHLY) == "1":
            as_of = date.fromisoformat(last_aging)
        for _ in range(families):
            family = self._posting_clerk.post_one(as_of.toordinal())
            if family is not None:
                self._table.rewrite([family], lambda changed: recalculate(changed, as_of.toordinal()))

    def get_true_balances(
        self, include: Literal["debts", "all"] = "all", clinics: Sequence[int] = ()
    ) -> list[TrueBalance]:
        """The balances that a correct reader of the table sees now, ordered by PatNum, in cents.

        Args:
            include: `debts` for the documented filter (`> 0`), `all` for `<> 0` on the same seven columns.
            clinics: Only these ClinicNums; empty for all.
        """
        return self._table.get_true_balances(include, clinics)

    def find_true_interval(
        self,
        balances: Sequence[TrueBalance],
        include: Literal["debts", "all"] = "all",
        clinics: Sequence[int] = (),
        since: datetime | None = None,
    ) -> tuple[datetime, datetime] | None:
        """The latest interval during which `truth(include, clinics)` was exactly these balances, in any order.

        Args:
            balances: The balances that a reader returned.
            include: As in `truth`.
            clinics: As in `truth`.
            since: Intervals that ended before this instant do not count.

        Returns:
            First and last instant, aware UTC; the last is now if they are still true. None if they were never true.
        """
        return self._table.find_true_interval(balances, include, clinics, since)

    def find_true_spans(
        self,
        balances: Sequence[TrueBalance],
        include: Literal["debts", "all"] = "all",
        clinics: Sequence[int] = (),
    ) -> list[tuple[float, float]]:
        """Every span of time during which `truth(include, clinics)` was exactly these balances, oldest first.

        Returns:
            First and last moment of each, in seconds since the world began, unaffected by steps of the wall clock.
        """
        return self._table.find_true_spans(balances, include, clinics)

    def _populate(self, ledger_day: date, *, ever_aged: bool) -> BalanceTable:
        rng = Random(f"{self.spec.seed}:families")
        families = build_families(self.spec, rng, ledger_day.toordinal(), ever_aged=ever_aged)
        self._tables.insert_families(families, rng, ledger_day)
        self._tables.insert_clinics(make_clinic_rows(self.spec.clinics))
        return BalanceTable(families, self._tables, self.clock, self._office_clock)

    def _update_heartbeat(self) -> None:
        self._preferences.put(HEARTBEAT, self._service.get_heartbeat().isoformat(" ", "seconds"))

    async def _run_activity(self) -> None:
        rng = Random(f"{self.spec.seed}:activity")
        while True:
            await anyio.sleep(rng.expovariate(self.spec.activity_per_hour / SECONDS_PER_HOUR))
            self.post_activity()
