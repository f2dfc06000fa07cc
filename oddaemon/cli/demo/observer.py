"""Observes the demo: the daemon's log and database, and the aging runs of the simulated offices."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import anyio

from oddaemon.cli.demo.display import Display
from oddaemon.cli.demo.log_reader import LogSummary, LogTail
from oddaemon.cli.demo.offices import OfficeScenario
from oddaemon.cli.demo.processes import ChildProcess
from oddaemon.cli.demo.simulator_client import SimulatorClient
from oddaemon.cli.demo.verdict import Runs, find_status_problems
from oddaemon.cli.sources.fleet import OfficeRecord, read_office_records
from oddaemon.settings import Settings
from oddaemon.store.database import Database

TICK_SECONDS = 0.05
REFRESH_EVERY_TICKS = 5
RUNS_EVERY_TICKS = 20


@dataclass(slots=True)
class Observer:
    """What is observed, and the observations."""

    scenarios: Sequence[OfficeScenario]
    settings: Settings
    db: Database
    simulator: SimulatorClient
    log_summary: LogSummary
    display: Display
    records: Sequence[OfficeRecord] = ()
    """In the order of the scenarios."""
    runs: Runs = field(default_factory=dict)
    _ticks: int = 0

    async def wait_until(
        self, is_reached: Callable[[], bool], child: ChildProcess, log_tail: LogTail, seconds_max: float
    ) -> bool:
        """Observe until `is_reached`, or for `seconds_max`.

        Returns:
            Whether it was reached.

        Raises:
            ChildProcessError: The daemon exited.
        """
        deadline = anyio.current_time() + seconds_max
        while anyio.current_time() < deadline:
            for event in log_tail.read_new_events():
                self.log_summary.add(event)
            if is_reached():
                return True
            child.require_running()
            await self._tick()
        return False

    async def refresh(self) -> None:
        """Read the state of all offices."""
        by_id = {each.id: each for each in await read_office_records(self.db, self.settings)}
        self.records = [by_id[scenario.id] for scenario in self.scenarios]
        now = datetime.now(UTC)
        self.display.update_fleet([each.summarize(now) for each in self.records], self._count_settled(now))

    def is_settled(self) -> bool:
        """Whether every office has reached its expected state."""
        return self._count_settled(datetime.now(UTC)) == len(self.scenarios)

    async def refresh_runs(self) -> None:
        """Read the completed aging runs."""
        self.runs = await self.simulator.fetch_completed_runs()

    async def _tick(self) -> None:
        if self._ticks % RUNS_EVERY_TICKS == 0:
            await self.refresh_runs()
        if self._ticks % REFRESH_EVERY_TICKS == 0:
            await self.refresh()
        self._ticks += 1
        await anyio.sleep(TICK_SECONDS)

    def _count_settled(self, now: datetime) -> int:
        pairs = zip(self.scenarios, self.records, strict=False)
        return sum(not find_status_problems(each, record, self.runs.get(each.id, ()), now) for each, record in pairs)
