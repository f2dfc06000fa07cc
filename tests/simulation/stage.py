"""Plays a story: a whole daemon, its headquarters and its offices in one event loop on virtual time."""

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
from oddaemon.simulator.practice.initial_rows import TIME_DUE_DATE
from oddaemon.simulator.practice.practice import Practice
from oddaemon.simulator.practice.preferences import AGING_BEGIN_DATE_TIME, AGING_SERVICE_TIME_DUE, DATE_LAST_AGING
from oddaemon.telemetry.events.base import Level
from tests.engine.world import World
from tests.simulation.cast import Member
from tests.simulation.chances import dice_of, of
from tests.simulation.chronicle import Chronicle, Seen
from tests.simulation.daemon_troubles import CRASH_AWAITED_SECONDS_MAX
from tests.simulation.deeds import (
    Administration,
    AgingBrokenOff,
    AgingByHand,
    BusyHour,
    ClockStep,
    Deed,
    Ending,
    LastingRuns,
    Reload,
    ServiceDelay,
)
from tests.simulation.patience import patience_seconds
from tests.simulation.scenery import key_of, options_of, settings_of
from tests.simulation.story import Story

DEBUG_SHARE = 0.2
"""Of seeds whose daemon logs every request, too."""


class Stage:
    """One run of a story. Make it on the event loop that it shall run on."""

    def __init__(self, story: Story, directory: Path, tasks: anyio.abc.TaskGroup) -> None:
        self.story = story
        self.clock = WorldClock(story.cast.base)
        self.chronicle = Chronicle(self.clock.elapsed_seconds)
        self.practices: dict[str, Practice] = {
            member.id: WatchedPractice(member.spec, self.clock, self.chronicle) for member in story.cast.members
        }
        planted = [planted for trouble in story.troubles for planted in trouble.planted]
        self.headquarters = Headquarters(
            self.clock,
            self.practices.values(),
            map(key_of, story.cast.members),
            options_of(story.seed),
            FaultSchedule(story.seed, planted),
        )
        self.aged_before = {office_id: _last_aging(practice) for office_id, practice in self.practices.items()}
        level = Level.DEBUG if of(dice_of(story.seed, "level"), DEBUG_SHARE) else Level.INFO
        self.world = World(self.clock, self.headquarters, settings_of(story, directory), tasks, level=level)
        self.world.on_line = self._hear
        self.listeners: list[Callable[[dict[str, Any]], None]] = []
        self._tasks = tasks
        self._traffic_seen = 0
        self._obliged_until: dict[str, float] = {}
        self._lines_awaited: int | None = None
        self._lines_came = anyio.Event()
        self._life = anyio.Lock()

    @property
    def seconds(self) -> float:
        """Since the world began."""
        return self.clock.elapsed_seconds()

    @property
    def patience_seconds(self) -> float:
        """How long the daemon may take to notice that all is well."""
        return patience_seconds(self.world.settings.cadence, clock_stepped=bool(self.chronicle.clock_steps))

    async def open(self) -> None:
        """Practices begin to live, and a daemon is there."""
        for practice in self.practices.values():
            self._tasks.start_soon(practice.run)
        self._wish(self.world.settings)
        await self._start()

    async def perform(self) -> None:
        """Everything that somebody does, at its moment, until troubles must end."""
        for deed in self.story.deeds:
            if deed.at_seconds < self.story.cast.seconds:
                await self.sleep_until(deed.at_seconds)
                self._tasks.start_soon(self._do, deed)
        await self.sleep_until(self.story.cast.seconds)

    async def sleep_until(self, seconds: float) -> None:
        """Until so many seconds since the world began."""
        await anyio.sleep(max(0.0, seconds - self.seconds))

    def obliged_until(self, office_id: str) -> float:
        """Until when the office's key was told to wait, as far as that is obeyed."""
        longest_seconds = self.world.settings.cadence.retry_after_max_seconds
        while self._traffic_seen < len(self.headquarters.traffic):
            exchange = self.headquarters.traffic[self._traffic_seen]
            self._traffic_seen += 1
            if exchange.retry_after_seconds is not None:
                until = exchange.finished_seconds + min(exchange.retry_after_seconds, longest_seconds)
                self._obliged_until[exchange.office_id] = until
        return self._obliged_until.get(office_id, 0.0)

    async def put_right(self) -> None:
        """No trouble is left, and whatever a human must do is done; every office has aged today."""
        self.headquarters.faults.clear()
        self.chronicle.cleared_at = self.seconds
        if self.world.daemon_is_ahead:
            self.world.daemon_is_ahead = timedelta()
            self.chronicle.clock_steps.append(self.seconds)
        everybody = {member.id: member.settings for member in self.story.cast.members}
        async with self._life:
            await self._apply(everybody)
            if not self.world.is_running:
                await self._start()
        async with anyio.create_task_group() as offices:
            for member in self.story.cast.members:
                offices.start_soon(self._put_office_right, member)
        self.chronicle.healed_at = self.seconds

    async def close(self) -> None:
        """The daemon is gone, wherever it was."""
        async with self._life:
            if self.world.is_running:
                await self._end("crash")

    async def _put_office_right(self, member: Member) -> None:
        practice, spec = self.practices[member.id], member.spec
        practice.set_aging_seconds(spec.run_seconds)
        practice.set_service_delay(spec.start_delay_seconds)
        practice.set_preference(AGING_SERVICE_TIME_DUE, f"{TIME_DUE_DATE} {spec.service_time_due}")
        run = practice.aging_runs[-1] if practice.aging_runs else None
        if run is not None and run.outcome is AgingOutcome.COMPLETED and run.aging_date == practice.today():
            return
        practice.abort_aging()
        # A run that has written everything cannot be broken off; it ends by itself.
        await self.world.until(lambda: not practice.is_aging)
        if practice.aging_runs and practice.aging_runs[-1].outcome is AgingOutcome.CRASHED:
            practice.set_preference(AGING_BEGIN_DATE_TIME, "")
        await age(practice)

    # --- what somebody does -------------------------------------------------------------------------------------------

    async def _do(self, deed: Deed) -> None:
        match deed:
            case Ending():
                await self._ending(deed)
            case Reload(_, wishes):
                async with self._life:
                    await self._apply(dict(wishes))
            case ClockStep(_, by_seconds):
                self.world.daemon_is_ahead += timedelta(seconds=by_seconds)
                self.chronicle.clock_steps.append(self.seconds)
            case _:
                await self._at_the_office(deed, self.practices[deed.office_id])

    async def _at_the_office(
        self,
        deed: AgingByHand | AgingBrokenOff | LastingRuns | ServiceDelay | Administration | BusyHour,
        practice: Practice,
    ) -> None:
        match deed:
            case AgingByHand(_, _, days_ahead):
                await age(practice, days_ahead)
            case AgingBrokenOff():
                practice.abort_aging()
                await anyio.lowlevel.checkpoint()
            case LastingRuns(_, _, run_seconds):
                practice.set_aging_seconds(run_seconds)
            case ServiceDelay(_, _, delay_seconds):
                practice.set_service_delay(delay_seconds)
            case Administration(_, _, name, value):
                practice.set_preference(name, value)
            case BusyHour(_, _, lasts_seconds, every_seconds):
                ends = self.seconds + lasts_seconds
                while self.seconds < ends:
                    practice.post_activity()
                    await anyio.sleep(every_seconds)

    async def _ending(self, deed: Ending) -> None:
        async with self._life:
            if not self.world.is_running:
                return
            if deed.lines:
                await self._some_lines(deed.lines, deed.steps)
            await self._end(deed.how)
            await anyio.sleep(deed.down_seconds)
            await self._start()

    async def _some_lines(self, lines: int, steps: int) -> None:
        self._lines_awaited, self._lines_came = lines, anyio.Event()
        with anyio.move_on_after(CRASH_AWAITED_SECONDS_MAX):
            await self._lines_came.wait()
        self._lines_awaited = None
        for _ in range(steps):
            await anyio.lowlevel.checkpoint()

    def _hear(self, line: dict[str, Any]) -> None:
        self.chronicle.take(line)
        for listener in self.listeners:
            listener(line)
        if self._lines_awaited is not None:
            self._lines_awaited -= 1
            if self._lines_awaited <= 0:
                self._lines_came.set()

    # --- the daemon's life --------------------------------------------------------------------------------------------

    async def _start(self) -> None:
        await self.world.start()
        views = self.world.daemon.fleet.offices.items()
        self.chronicle.begin_life({office_id: view.snapshot for office_id, view in views})

    async def _end(self, how: str) -> None:
        match how:
            case "drain":
                await self.world.drain()
            case "stop":
                await self.world.stop()
            case _:
                await self.world.crash()
        self.chronicle.end_life()

    async def _apply(self, wishes: Mapping[str, OfficeSettings | None]) -> None:
        wanted = {each.office.id: each for each in self.world.settings.offices} | dict(wishes)
        in_order = [wanted.get(member.id) for member in self.story.cast.members]
        settings = replace(self.world.settings, offices=tuple(each for each in in_order if each is not None))
        if self.world.is_running:
            await self.world.apply(settings)
        else:
            self.world.settings = settings
        self._wish(settings)

    def _wish(self, settings: Settings) -> None:
        wanted = {each.office.id: each for each in settings.offices}
        for member in self.story.cast.members:
            self.chronicle.want(member.id, wanted.get(member.id))


class WatchedPractice(Practice):
    """A practice that remembers what it said of its aging."""

    def __init__(self, spec: PracticeSpec, clock: WorldClock, chronicle: Chronicle) -> None:
        super().__init__(spec, clock)
        self._chronicle = chronicle

    def list_preferences(self, pref_name: str | None) -> list[dict[str, object]]:
        """As in any practice."""
        found = super().list_preferences(pref_name)
        values = {str(row["PrefName"]): str(row["ValueString"]) for row in found}
        told = self._chronicle.seen[self.spec.office_id]
        if AGING_BEGIN_DATE_TIME in values or DATE_LAST_AGING in values:
            lock = values.get(AGING_BEGIN_DATE_TIME, told[-1].lock if told else "")
            last = values.get(DATE_LAST_AGING, told[-1].date_last_aging if told else "")
            told.append(Seen(self.clock.elapsed_seconds(), lock, last))
        return found


async def age(practice: Practice, days_ahead: int = 0) -> None:
    """Run aging by hand; where it runs already the program refuses, and that is that."""
    try:
        await practice.run_aging(practice.today() + timedelta(days=days_ahead) if days_ahead else None)
    except AgingInProgressError:
        return


def _last_aging(practice: Practice) -> date | None:
    written = practice.get_preference(DATE_LAST_AGING)
    return date.fromisoformat(written) if written else None
