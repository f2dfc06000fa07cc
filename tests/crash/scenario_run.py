"""One run of a scenario: one life of the daemon after another until its end, and the state that they leave."""

import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from oddaemon.simulator.headquarters.traffic_log import ViolationKind, find_violations
from tests.crash.daemon_process import DAEMON, DaemonProcess
from tests.crash.environment import Environment, crash_environment
from tests.crash.kill_points import COMMITS, KillPoint, KillTrigger
from tests.crash.leftover_state import dump_state, find_problems, read_balances, read_states
from tests.crash.request_interceptor import RequestKind, kill_after
from tests.crash.scenarios import Scenario

KILLABLE_DAEMON = "tests.crash.killable_process"
EARLY_WAKE_TOLERANCE = timedelta(milliseconds=5)
"""A sleep is measured by another clock than the instant it is to end at."""
LOG_LINES_SHOWN = 15


@dataclass
class Life:
    """One process, from start to end."""

    kill: KillPoint | None
    status: int | None = None
    state_after_kill: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The states of the offices in the database that a kill left."""

    @property
    def was_killed(self) -> bool:
        """Whether the kill came before the end of the scenario."""
        return self.status == -signal.SIGKILL


@dataclass(frozen=True)
class ScenarioRun:
    """The result of a run."""

    final_state: bytes = field(repr=False)
    """Empty if the scenario did not reach its end."""
    lives: Sequence[Life] = field(repr=False)
    fetched: Counter[tuple[str, RequestKind]]
    """How often each office gave each kind of answer."""
    requests: int
    """Of the first life."""
    problems: Sequence[str]

    @property
    def kill_count(self) -> int:
        """How many came in time."""
        return sum(life.was_killed for life in self.lives)


async def run_scenario(
    scenario: Scenario, kills: Sequence[KillPoint], directory: Path, commit_count_file: Path | None = None
) -> ScenarioRun:
    """Run a scenario to its end, through all these kills.

    Args:
        scenario: The scenario.
        kills: One for each life; the one after the last is left to live.
        directory: Empty; the daemon's database is made in it.
        commit_count_file: Receives the number of commits of a run without kills.
    """
    async with crash_environment(scenario, directory) as environment:
        runner = _ScenarioRunner(environment, commit_count_file)
        for kill in [*kills, None]:
            life = await runner.run_life(kill)
            if not life.was_killed:
                break
        return runner.make_result()


class _ScenarioRunner:
    def __init__(self, environment: Environment, commit_count_file: Path | None) -> None:
        self._environment = environment
        self._commit_count_file = commit_count_file
        self._lives: list[Life] = []
        self._problems: list[str] = []
        self._aged = False
        self._is_stalled = False
        self._today = environment.today.isoformat()
        self._yesterday = (environment.today - timedelta(days=1)).isoformat()
        if environment.scenario.overtaken_at_page is not None:
            environment.interceptor.on_page = self._run_aging_during_pull

    async def run_life(self, kill: KillPoint | None) -> Life:
        """One life of the daemon: until the end of the scenario, or until it is killed."""
        life = Life(kill)
        self._lives.append(life)
        environment = self._environment
        async with environment.running_daemon(self._choose_program(kill)) as daemon:
            kill_process = partial(daemon.send_signal, signal.SIGKILL)
            environment.interceptor.arm_kill(kill, kill_process)
            if kill is not None and kill.trigger is KillTrigger.START:
                environment.tasks.start_soon(kill_after, kill.seconds, kill_process)
            try:
                await self._run_until_done(daemon)
            except TimeoutError:
                self._is_stalled = True
                self._problems.append(
                    f"life {len(self._lives)}: the scenario stands still.\n{_format_last_lines(daemon)}"
                )
                return life
            daemon.send_signal(signal.SIGTERM)
            life.status = await daemon.wait_for_exit()
        if life.was_killed:
            life.state_after_kill = read_states_from_copy(environment.database)
        self._check_life(life, daemon)
        return life

    def make_result(self) -> ScenarioRun:
        """The result."""
        environment = self._environment
        problems = list(self._problems)
        if not self._is_stalled:
            problems += [
                *find_problems(environment.database),
                *self._find_wrong_balances(),
                *self._find_rate_violations(),
                *self._find_early_requests(),
            ]
        return ScenarioRun(
            final_state=b"" if self._is_stalled else dump_state(environment.database),
            lives=self._lives,
            fetched=Counter((each.office_id, each.kind) for each in environment.interceptor.answered),
            requests=sum(each.life == 1 for each in environment.interceptor.requests),
            problems=problems,
        )

    async def _run_until_done(self, daemon: DaemonProcess) -> None:
        """Run the scenario as far as this life of the daemon gets."""

        def is_fresh(day: str) -> bool:
            fresh_dates = _find_fresh_offices(daemon.lines)
            return all(fresh_dates.get(office.id) == day for office in self._environment.scenario.offices)

        wait_until = self._environment.changes.wait_until
        if not self._aged and self._environment.scenario.overtaken_at_page is None:
            await wait_until(lambda: daemon.is_over or is_fresh(self._yesterday))
            if daemon.is_over:
                return
            self._aged = True
            await self._environment.run_aging()
        await wait_until(lambda: daemon.is_over or is_fresh(self._today))

    async def _run_aging_during_pull(self, pages: int) -> None:
        if pages == self._environment.scenario.overtaken_at_page and not self._aged:
            self._aged = True
            await self._environment.run_aging()

    def _choose_program(self, kill: KillPoint | None) -> Sequence[str]:
        if kill is not None and kill.trigger in COMMITS:
            return (KILLABLE_DAEMON, f"--{kill.trigger}", str(kill.number), "--")
        if self._commit_count_file is not None:
            return (KILLABLE_DAEMON, "--tally", str(self._commit_count_file), "--")
        return DAEMON

    def _check_life(self, life: Life, daemon: DaemonProcess) -> None:
        if not life.was_killed and life.status != 0:
            self._problems.append(
                f"life {len(self._lives)} ended with status {life.status}.\n{_format_last_lines(daemon)}"
            )
        self._problems += [f"life {len(self._lives)} wrote: {line}" for line in daemon.other_output]
        for line in daemon.lines:
            if line["level"] == "error":
                self._problems.append(f"life {len(self._lives)} said: {line}")

    def _find_wrong_balances(self) -> Iterator[str]:
        for office_id, practice in self._environment.headquarters.practices.items():
            if read_balances(self._environment.database, office_id) != [
                tuple(balance) for balance in practice.balances.get_true_balances()
            ]:
                yield f"the balances of {office_id} are not true"

    def _find_rate_violations(self) -> Iterator[str]:
        kinds = {ViolationKind.TWO_IN_FLIGHT}
        if not any(life.was_killed for life in self._lives):  # else the Retry-After may not have been stored
            kinds.add(ViolationKind.RETRY_AFTER_IGNORED)
        for violation in find_violations(self._environment.headquarters.traffic):
            if violation.kind in kinds:
                yield f"impolite: {violation}"

    def _find_early_requests(self) -> Iterator[str]:
        """Requests that came before the instant that the database of the life before named."""
        requests = self._environment.interceptor.requests
        for number, life in enumerate(self._lives, 1):
            for office_id, state in life.state_after_kill.items():
                not_before = datetime.fromisoformat(state["not_before"])
                first = next(
                    (each for each in requests if each.life == number + 1 and each.office_id == office_id), None
                )
                if first is not None and first.at < not_before - EARLY_WAKE_TOLERANCE:
                    yield f"life {number + 1} asked {office_id} {not_before - first.at} before its time"


def _find_fresh_offices(lines: Sequence[dict[str, Any]]) -> dict[str, str]:
    """The offices that were last reported fresh, each with the date of its aging."""
    dates: dict[str, str] = {}
    fresh: dict[str, str] = {}
    for line in lines:
        if line["event"] == "aging_status_changed":
            dates[line["office"]] = line["aging_date"]
            fresh.pop(line["office"], None)
        elif line["event"] == "condition_changed":
            fresh.pop(line["office"], None)
            if line["after"] == "fresh":
                fresh[line["office"]] = dates[line["office"]]
    return fresh


def _format_last_lines(daemon: DaemonProcess) -> str:
    return "\n".join([*map(str, daemon.lines[-LOG_LINES_SHOWN:]), *daemon.other_output])


def read_states_from_copy(database: Path) -> dict[str, dict[str, Any]]:
    """The states of a stopped daemon, read from a copy: opening the file may repair what the next life must repair."""
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory) / database.name
        for suffix in ("", "-wal"):
            if (part := database.with_name(database.name + suffix)).exists():
                shutil.copyfile(part, copy.with_name(part.name))
        return read_states(copy) if copy.exists() else {}
