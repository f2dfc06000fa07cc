"""No one is blamed for what was not injected: who is named as having to act must have given cause.

Judged from the incidents and from what the simulated office knows of its own aging, never by what the daemon says.
"""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from oddaemon.core.model import Condition, Owner, Plausibility, Status
from oddaemon.core.office.transition import BLAME_SURVEY_INTERVAL
from oddaemon.simulator.practice.aging_run import AgingOutcome
from oddaemon.simulator.practice.practice import Practice
from oddaemon.simulator.practice.preferences import (
    AGING_BEGIN_DATE_TIME,
    AGING_SERVICE_TIME_DUE,
    DATE_LAST_AGING,
)
from tests.simulation.environment import SimulationEnvironment
from tests.simulation.incidents.actions import SetPreference
from tests.simulation.incidents.incident import Impact
from tests.simulation.time_limits import compute_hold_seconds

BLAME = "blame"
BROKEN_OFF = "two runs"
"""Reported only of a table that may hold balances of two runs."""
_NO_CAUSE = frozenset({Impact.NOTHING, Impact.DELAY})


def check(environment: SimulationEnvironment) -> None:
    """Compare every status that names who must act with the faults that were really injected."""
    if environment.event_log.alive_since is None or not environment.world.is_running:
        return
    for office_id, practice in environment.practices.items():
        if environment.event_log.get_wanted(office_id) is None:
            continue
        if office_id not in environment.world.daemon.fleet.offices:
            continue
        status = environment.world.get_status(office_id)
        problem = _find_wrong_blame(environment, office_id, practice, status)
        if problem is not None:
            environment.event_log.add_complaint(
                BLAME, office_id, f"{problem}; it is called {status.condition}: {status.reason!r}"
            )


def _find_wrong_blame(
    environment: SimulationEnvironment, office_id: str, practice: Practice, status: Status
) -> str | None:
    if status.owner is None or status.condition is Condition.PAUSED:
        return None
    if BROKEN_OFF in status.reason and not _may_hold_two_runs(practice):
        return "its table holds the balances of one run"
    now = environment.seconds
    recent_seconds = environment.grace_seconds + compute_hold_seconds(Plausibility())
    recently = now - recent_seconds
    for incident in environment.scenario.incidents:
        is_recent = incident.begins <= now and incident.ends > recently
        if office_id in incident.office_ids and is_recent and incident.impact not in _NO_CAUSE:
            return None
    if status.owner is Owner.US and environment.get_throttled_until(office_id) > recently:
        # A response may ask for more time than the incident itself lasts.
        return None
    if environment.event_log.clock_steps or _has_missed_an_earlier_run_time(environment, office_id, practice):
        return None
    return (
        None if _is_aging_wrong(practice, recent_seconds) else f"{status.owner} must act and nothing is wrong with it"
    )


def _has_missed_an_earlier_run_time(environment: SimulationEnvironment, office_id: str, practice: Practice) -> bool:
    """Whether today's run was missed by a run time that was moved since: who is blamed is surveyed once an hour."""
    since = environment.seconds - environment.grace_seconds - BLAME_SURVEY_INTERVAL.total_seconds()
    return practice.preferences.get(DATE_LAST_AGING) < practice.today().isoformat() and any(
        isinstance(action, SetPreference) and action.name == AGING_SERVICE_TIME_DUE
        for incident in environment.scenario.incidents
        if office_id in incident.office_ids
        for action in incident.actions
        if since <= action.at_seconds <= environment.seconds
    )


def _may_hold_two_runs(practice: Practice) -> bool:
    """Before 22.2, a lock that left no date looks like an interrupted run to every observer."""
    aging = practice.aging
    return any(not run.one_write and run.outcome is not AgingOutcome.COMPLETED for run in aging.runs) or (
        bool(aging.partial_runs) and practice.spec.program_version < "22.2"
    )


def _is_aging_wrong(practice: Practice, recent_seconds: float) -> bool:
    """Whether the office's aging gave cause within this time: not run when due, switched off, stuck, in the future."""
    preferences, today = practice.preferences, practice.today()
    last, due = preferences.get(DATE_LAST_AGING), preferences.get(AGING_SERVICE_TIME_DUE)
    if not due or preferences.get(AGING_BEGIN_DATE_TIME) or last > today.isoformat():
        return True
    now = practice.clock.now().astimezone(ZoneInfo(practice.spec.zone)).replace(tzinfo=None)
    now += timedelta(seconds=practice.spec.clock_skew_seconds)
    due_time: time = datetime.fromisoformat(due).time()
    due_day = today if now.time() >= due_time else today - timedelta(days=1)
    if last < due_day.isoformat():
        return True
    runs = [run for run in practice.aging.runs if run.ended_seconds is not None]
    if runs and practice.clock.elapsed_seconds() - (runs[-1].ended_seconds or 0.0) <= recent_seconds:
        return True
    return practice.spec.program_version < "22.2" and _may_hold_two_runs(practice)
