"""Plays a scenario: a whole daemon, its headquarters and its offices in one event loop on virtual time."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import anyio.lowlevel

from oddaemon.settings import OfficeSettings, Settings
from oddaemon.simulator.faults.faults import FaultSchedule
from oddaemon.simulator.headquarters.headquarters import Headquarters
from oddaemon.simulator.model.spec import PracticeSpec
from oddaemon.simulator.model.world_clock import WorldClock
from oddaemon.simulator.practice.aging_run import AgingInProgressError, AgingOutcome
from oddaemon.simulator.practice.practice import Practice
from oddaemon.simulator.practice.preferences import (
    AGING_BEGIN_DATE_TIME,
    AGING_SERVICE_TIME_DUE,
    DATE_LAST_AGING,
    TIME_DUE_DATE,
)
from oddaemon.telemetry.events.base import Level
from tests.engine.world import World
from tests.simulation.environment_settings import make_key, make_options, make_settings, set_cadence
from tests.simulation.event_log import AgingObservation, EventLog
from tests.simulation.incidents.actions import (
    Action,
    AgeSomeFamilies,
    DelayService,
    InterruptAging,
    PostActivity,
    ReloadConfig,
    RestartDaemon,
    RunAging,
    SetPreference,
    SetRunDuration,
    StepClock,
)
from tests.simulation.incidents.daemon_incidents import CRASH_WAIT_SECONDS_MAX
from tests.simulation.scenario.fleet import FleetMember
from tests.simulation.scenario.scenario import Scenario
from tests.simulation.scenario.seeded_random import draw_chance, make_rng
from tests.simulation.time_limits import compute_grace_seconds

DEBUG_SHARE = 0.2
"""Of seeds whose daemon logs every request, too."""


class SimulationEnvironment:
    """One run of a scenario. Create it on the event loop that it runs on."""

    def __init__(self, scenario: Scenario, directory: Path, tasks: anyio.abc.TaskGroup) -> None:
        self.scenario = scenario
        self.clock = WorldClock(scenario.fleet.base)
        self.event_log = EventLog(self.clock.elapsed_seconds)
        self.practices: dict[str, Practice] = {
            member.id: ObservedPractice(member.spec, self.clock, self.event_log) for member in scenario.fleet.members
        }
        scheduled = [planted for incident in scenario.incidents for planted in incident.scheduled_faults]
        self.headquarters = Headquarters(
            self.clock,
            self.practices.values(),
            map(make_key, scenario.fleet.members),
            make_options(scenario.seed),
            FaultSchedule(scenario.seed, scheduled),
        )
        self.aged_before = {office_id: _read_last_aging(practice) for office_id, practice in self.practices.items()}
        level = Level.DEBUG if draw_chance(make_rng(scenario.seed, "level"), DEBUG_SHARE) else Level.INFO
        self.world = World(self.clock, self.headquarters, make_settings(scenario, directory), tasks, level=level)
        self.world.on_line = self._record_line
        self.listeners: list[Callable[[dict[str, Any]], None]] = []
        self._tasks = tasks
        self._traffic_checked = 0
        self._throttled_until: dict[str, float] = {}
        self._lines_left: int | None = None
        self._lines_reached = anyio.Event()
        self._daemon_lock = anyio.Lock()

    @property
    def seconds(self) -> float:
        """Since the simulation began."""
        return self.clock.elapsed_seconds()

    @property
    def grace_seconds(self) -> float:
        """How long the daemon may take to notice that all faults have ended."""
        return compute_grace_seconds(self.scenario.fleet.cadence, clock_stepped=bool(self.event_log.clock_steps))

    async def start(self) -> None:
        """Start the practices and the daemon."""
        for practice in self.practices.values():
            self._tasks.start_soon(practice.run)
        self._record_wanted(self.world.settings)
        await self._start()

    async def run_actions(self) -> None:
        """Perform every action at its time, until all incidents must end."""
        for action in self.scenario.actions:
            if action.at_seconds < self.scenario.fleet.seconds:
                await self.sleep_until(action.at_seconds)
                self._tasks.start_soon(self._perform, action)
        await self.sleep_until(self.scenario.fleet.seconds)

    async def sleep_until(self, seconds: float) -> None:
        """Sleep until this number of seconds since the simulation began."""
        await anyio.sleep(max(0.0, seconds - self.seconds))

    def get_throttled_until(self, office_id: str) -> float:
        """Until when responses asked the office's key to wait, capped at what the daemon accepts."""
        longest_seconds = self.scenario.fleet.cadence.retry_after_max_seconds
        while self._traffic_checked < len(self.headquarters.traffic):
            request = self.headquarters.traffic[self._traffic_checked]
            self._traffic_checked += 1
            if request.retry_after_seconds is not None:
                until = request.finished_seconds + min(request.retry_after_seconds, longest_seconds)
                self._throttled_until[request.office_id] = until
        return self._throttled_until.get(office_id, 0.0)

    async def repair_everything(self) -> None:
        """End every incident, do what a human must do, and run the aging of every office for today."""
        self.headquarters.faults.clear()
        self.event_log.faults_cleared_at = self.seconds
        if self.world.daemon_clock_offset:
            self.world.daemon_clock_offset = timedelta()
            self.event_log.clock_steps.append(self.seconds)
        all_settings = {member.id: member.settings for member in self.scenario.fleet.members}
        async with self._daemon_lock:
            await self._apply(all_settings)
            if not self.world.is_running:
                await self._start()
        async with anyio.create_task_group() as offices:
            for member in self.scenario.fleet.members:
                offices.start_soon(self._repair_office, member)
        self.event_log.recovered_at = self.seconds

    async def close(self) -> None:
        """End the daemon, whatever it is doing."""
        async with self._daemon_lock:
            if self.world.is_running:
                await self._end("crash")

    async def _repair_office(self, member: FleetMember) -> None:
        practice, spec = self.practices[member.id], member.spec
        practice.aging.run_seconds = spec.run_seconds
        practice.service.set_delay(spec.start_delay_seconds)
        practice.set_preference(AGING_SERVICE_TIME_DUE, f"{TIME_DUE_DATE} {spec.service_time_due}")
        run = practice.aging.runs[-1] if practice.aging.runs else None
        if run is not None and run.outcome is AgingOutcome.COMPLETED and run.aging_date == practice.today():
            return
        practice.aging.abort()
        # A run that has written everything cannot be interrupted; it ends by itself.
        await self.world.wait_until(lambda: not practice.aging.is_running and not practice.aging.is_partly_running)
        if practice.aging.runs and practice.aging.runs[-1].outcome is AgingOutcome.CRASHED:
            practice.set_preference(AGING_BEGIN_DATE_TIME, "")
        await run_aging(practice)

    # --- actions ------------------------------------------------------------------------------------------------------

    async def _perform(self, action: Action) -> None:
        match action:
            case RestartDaemon():
                await self._restart_daemon(action)
            case ReloadConfig(_, changes):
                async with self._daemon_lock:
                    await self._apply(dict(changes))
            case StepClock(_, by_seconds):
                self.world.daemon_clock_offset += timedelta(seconds=by_seconds)
                self.event_log.clock_steps.append(self.seconds)
            case _:
                await self._perform_at_office(action, self.practices[action.office_id])

    async def _perform_at_office(
        self,
        action: RunAging
        | AgeSomeFamilies
        | InterruptAging
        | SetRunDuration
        | DelayService
        | SetPreference
        | PostActivity,
        practice: Practice,
    ) -> None:
        match action:
            case RunAging(_, _, days_ahead):
                await run_aging(practice, days_ahead)
            case AgeSomeFamilies(_, _, families, lasts_seconds):
                practice.start_partial_aging(families, lasts_seconds)
            case InterruptAging(_, _, rolls_back):
                practice.aging.abort(rolls_back=rolls_back)
                await anyio.lowlevel.checkpoint()
            case SetRunDuration(_, _, run_seconds):
                practice.aging.run_seconds = run_seconds
            case DelayService(_, _, delay_seconds):
                practice.service.set_delay(delay_seconds)
            case SetPreference(_, _, name, value):
                practice.set_preference(name, value)
            case PostActivity(_, _, lasts_seconds, every_seconds):
                ends = self.seconds + lasts_seconds
                while self.seconds < ends:
                    practice.post_activity()
                    await anyio.sleep(every_seconds)

    async def _restart_daemon(self, action: RestartDaemon) -> None:
        async with self._daemon_lock:
            if not self.world.is_running:
                return
            if action.lines:
                await self._wait_for_lines(action.lines, action.steps)
            await self._end(action.how)
            await anyio.sleep(action.down_seconds)
            await self._start()

    async def _wait_for_lines(self, lines: int, steps: int) -> None:
        self._lines_left, self._lines_reached = lines, anyio.Event()
        with anyio.move_on_after(CRASH_WAIT_SECONDS_MAX):
            await self._lines_reached.wait()
        self._lines_left = None
        for _ in range(steps):
            await anyio.lowlevel.checkpoint()

    def _record_line(self, line: dict[str, Any]) -> None:
        self.event_log.record_line(line)
        for listener in self.listeners:
            listener(line)
        if self._lines_left is not None:
            self._lines_left -= 1
            if self._lines_left <= 0:
                self._lines_reached.set()

    # --- the daemon's life --------------------------------------------------------------------------------------------

    async def _start(self) -> None:
        await self.world.start()
        views = self.world.daemon.fleet.offices.items()
        self.event_log.record_start({office_id: view.snapshot for office_id, view in views})

    async def _end(self, how: str) -> None:
        match how:
            case "drain":
                await self.world.drain()
            case "stop":
                await self.world.stop()
            case _:
                await self.world.crash()
        self.event_log.record_end()

    async def _apply(self, changes: Mapping[str, OfficeSettings | None]) -> None:
        wanted = {**self.world.settings.offices, **changes}
        fleet = self.scenario.fleet
        ordered_settings = [wanted.get(member.id) for member in fleet.members]
        offices = {each.spec.id: set_cadence(each, fleet.cadence) for each in ordered_settings if each is not None}
        settings = replace(self.world.settings, offices=offices)
        if self.world.is_running:
            await self.world.apply(settings)
        else:
            self.world.settings = settings
        self._record_wanted(settings)

    def _record_wanted(self, settings: Settings) -> None:
        for member in self.scenario.fleet.members:
            self.event_log.record_wanted(member.id, settings.offices.get(member.id))


class ObservedPractice(Practice):
    """A practice that records what it reported of its aging."""

    def __init__(self, spec: PracticeSpec, clock: WorldClock, event_log: EventLog) -> None:
        super().__init__(spec, clock)
        self._event_log = event_log

    def list_preferences(self, pref_name: str | None, age_seconds: float = 0.0) -> list[dict[str, object]]:
        """The preferences, as in any practice."""
        found = super().list_preferences(pref_name, age_seconds)
        values = {str(row["PrefName"]): str(row["ValueString"]) for row in found}
        observations = self._event_log.aging_observations[self.spec.office_id]
        if AGING_BEGIN_DATE_TIME in values or DATE_LAST_AGING in values:
            lock = values.get(AGING_BEGIN_DATE_TIME, observations[-1].lock if observations else "")
            last = values.get(DATE_LAST_AGING, observations[-1].date_last_aging if observations else "")
            observations.append(AgingObservation(self.clock.elapsed_seconds(), lock, last))
        return found


async def run_aging(practice: Practice, days_ahead: int = 0) -> None:
    """Run aging by hand. If it is running already, the program refuses, which changes nothing."""
    try:
        await practice.aging.run(practice.today() + timedelta(days=days_ahead) if days_ahead else None)
    except AgingInProgressError:
        return


def _read_last_aging(practice: Practice) -> date | None:
    written = practice.preferences.get(DATE_LAST_AGING)
    return date.fromisoformat(written) if written else None
