"""Observes the demo: the daemon's log and database, and the aging runs of the simulated offices."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import anyio

from oddaemon.cli.demo.display import Display
from oddaemon.cli.demo.log_reader import LogSummary, LogTail
from oddaemon.cli.demo.processes import ChildProcess
from oddaemon.cli.demo.scenario import OfficeScenario
from oddaemon.cli.demo.simulator_client import Runs, SimulatorClient
from oddaemon.cli.demo.verdict import find_status_problems
from oddaemon.cli.sources.fleet import make_status, read_offices
from oddaemon.core.reporting.status_document import OfficeStatus
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
    offices: Sequence[OfficeStatus] = ()
    """In the order of the scenarios."""
    runs: dict[str, Runs] = field(default_factory=dict)
    """By office id."""
    _ticks: int = 0

    async def wait_until(self, is_reached: Callable[[], bool], child: ChildProcess, seconds_max: float) -> bool:
        """Observe until `is_reached`, or for `seconds_max`.

        Returns:
            Whether it was reached.

        Raises:
            ChildProcessError: The daemon exited.
        """
        log_tail = LogTail(child.log)
        deadline = anyio.current_time() + seconds_max
        while anyio.current_time() < deadline:
            for event in log_tail.read_new_events():
                self.log_summary.add(event)
            if is_reached():
                return True
            child.require_running()
            if self._ticks % RUNS_EVERY_TICKS == 0:
                self.runs = await self.simulator.fetch_completed_runs()
            if self._ticks % REFRESH_EVERY_TICKS == 0:
                await self.refresh()
            self._ticks += 1
            await anyio.sleep(TICK_SECONDS)
        return False

    async def refresh(self) -> None:
        """Read the state of all offices."""
        known, now = await read_offices(self.db, self.settings), datetime.now(UTC)
        self.offices = [make_status(*known[scenario.id], now) for scenario in self.scenarios]
        self.display.update_fleet(self.offices, self._count_settled(now))

    def is_settled(self) -> bool:
        """Whether every office has reached its expected state."""
        return self._count_settled(datetime.now(UTC)) == len(self.scenarios)

    def _count_settled(self, now: datetime) -> int:
        pairs = zip(self.scenarios, self.offices, strict=False)
        return sum(not find_status_problems(each, office, self.runs.get(each.id, {}), now) for each, office in pairs)
