"""Every completed run is published, or its office is explained by what was really done to it.

Looked at again and again while the scenario is played. What is due at a moment follows from the offices' own past and
from the injected incidents; how long it may take follows from the daemon's own intervals.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from oddaemon.core.model import Condition, Plausibility, Status
from oddaemon.simulator.practice.aging_run import AgingOutcome, AgingRun
from oddaemon.simulator.practice.practice import Practice
from oddaemon.simulator.practice.preferences import AGING_BEGIN_DATE_TIME, AGING_SERVICE_TIME_DUE
from tests.simulation.environment import SimulationEnvironment
from tests.simulation.event_log import EventLog, Publication
from tests.simulation.incidents.incident import Impact, Incident
from tests.simulation.incidents.request_incidents import IN_FLIGHT_SECONDS
from tests.simulation.time_limits import CLOCK_STEPS_EXCUSE, compute_hold_seconds

OWED = "owed"
EXPLAINED = "named"
RECOVERED = "recovered"

_WAITING_CONDITIONS = frozenset({Condition.WAITING, Condition.AGING, Condition.LATE})


@dataclass(frozen=True)
class OfficeMoment:
    """What a checker needs to know about one office at one moment."""

    office_id: str
    seconds: float
    status: Status
    practice: Practice
    incidents: Sequence[Incident]
    """The incidents that concern this office."""
    undisturbed_since: float
    """Since then the same daemon has run with the same configuration, and no response asked it to wait."""
    grace_seconds: float


def check(environment: SimulationEnvironment) -> None:
    """Check every configured office against what is due now."""
    event_log, now = environment.event_log, environment.seconds
    alive_since = event_log.alive_since
    if alive_since is None or not environment.world.is_running:
        return
    for office_id, practice in environment.practices.items():
        wanted = event_log.get_wanted(office_id)
        if wanted is None or office_id not in environment.world.daemon.fleet.offices:
            continue
        moment = OfficeMoment(
            office_id,
            now,
            environment.world.get_status(office_id),
            practice,
            _find_incidents(environment, office_id),
            max(alive_since, wanted.seconds, environment.get_throttled_until(office_id)),
            environment.grace_seconds + compute_hold_seconds(Plausibility()),
        )
        _check_owed(moment, event_log)
        _check_incidents(moment, event_log)
        _check_aging(moment, event_log, environment.scenario.fleet.cadence.stuck_after_seconds)


def _find_incidents(environment: SimulationEnvironment, office_id: str) -> list[Incident]:
    """The incidents that concern an office, as far as they were not ended early."""
    cleared_at = environment.event_log.faults_cleared_at
    own = [incident for incident in environment.scenario.incidents if office_id in incident.office_ids]
    if cleared_at is None:
        return own
    return [replace(each, ends=min(each.ends, cleared_at)) for each in own if each.begins < cleared_at]


def find_unpublished_since(practice: Practice, event_log: EventLog, office_id: str) -> float | None:
    """Since when the office's last run is complete and not published; None: nothing is due."""
    runs = practice.aging.runs
    if not runs or runs[-1].outcome is not AgingOutcome.COMPLETED or runs[-1].ended_seconds is None:
        return None
    if runs[-1].aging_date > practice.today():
        return None
    done_at = runs[-1].ended_seconds
    publications = event_log.publications[office_id]
    if publications and (
        publications[-1].seconds >= done_at or not _is_distinguishable(runs[-1], publications[-1], event_log, office_id)
    ):
        return None
    return done_at


def _is_distinguishable(run: AgingRun, publication: Publication, event_log: EventLog, office_id: str) -> bool:
    """Whether anything gave away that this is another run than the published one: its date, or what was asked since.

    The preferences say the same before and after a second run of one day; only who asks in the middle of it can tell.
    """
    if run.aging_date != publication.aging_date:
        return True
    published = publication.aging_date.isoformat()
    return any(
        observation.seconds > publication.seconds and (observation.lock or observation.date_last_aging != published)
        for observation in event_log.aging_observations[office_id]
    )


def _check_owed(moment: OfficeMoment, event_log: EventLog) -> None:
    since = find_unpublished_since(moment.practice, event_log, moment.office_id)
    if since is None:
        return
    well_since = max(since, _find_healthy_since(moment), moment.undisturbed_since)
    if moment.seconds - well_since > moment.grace_seconds:
        event_log.add_complaint(
            OWED,
            moment.office_id,
            f"the run that completed at {since:.0f} s is not published although all has been well since"
            f" {well_since:.0f} s; the office is called {_format_status(moment.status)}",
        )


def _find_healthy_since(moment: OfficeMoment) -> float:
    """When the last harmful incident ended; now, while one is active."""
    well_since = 0.0
    for incident in moment.incidents:
        if incident.impact in (Impact.NOTHING, Impact.AGING) or incident.begins > moment.seconds:
            continue
        well_since = max(well_since, min(incident.ends, moment.seconds))
    return well_since


def _check_incidents(moment: OfficeMoment, event_log: EventLog) -> None:
    """While an office cannot be asked, or not be read although it should be, its status names the cause."""
    recently = moment.seconds - moment.grace_seconds
    owed_since = find_unpublished_since(moment.practice, event_log, moment.office_id)
    reaches = {Impact.EVERYTHING}
    if owed_since is not None and owed_since <= recently:
        reaches.add(Impact.QUERIES)
    ongoing = [each for each in moment.incidents if each.impact in reaches]
    if not _is_covered(ongoing, recently, moment.seconds + IN_FLIGHT_SECONDS):
        return
    if moment.undisturbed_since > recently:
        return
    recent = [each for each in moment.incidents if each.begins <= moment.seconds and each.ends > recently]
    expected_statuses = [expected for incident in recent for expected in incident.expected_statuses]
    if not any(blame.matches(moment.status) for blame in expected_statuses):
        kinds = ", ".join(sorted({incident.kind for incident in recent}))
        event_log.add_complaint(
            EXPLAINED, moment.office_id, f"failing ({kinds}) and called {_format_status(moment.status)}"
        )


def _is_covered(incidents: Sequence[Incident], begins: float, ends: float) -> bool:
    """Whether some incident was active all this time."""
    spans = sorted((incident.begins, incident.ends) for incident in incidents if incident.ends > begins)
    if not spans or spans[0][0] > begins:
        return False
    reached = spans[0][1]
    for (_, _), (next_begins, next_ends) in pairwise(spans):
        if next_begins > reached:
            break
        reached = max(reached, next_ends)
    return reached > ends


def _check_aging(moment: OfficeMoment, event_log: EventLog, stuck_after_seconds: float) -> None:
    """The status of an office that can be asked says what its own aging does, once there was time to see it."""
    recently = max(moment.seconds - moment.grace_seconds, 0.0)
    if max(_find_healthy_since(moment), moment.undisturbed_since) > recently or not moment.practice.aging.runs:
        return
    if CLOCK_STEPS_EXCUSE and event_log.clock_steps:
        return
    run = moment.practice.aging.runs[-1]
    has_lock = bool(moment.practice.preferences.get(AGING_BEGIN_DATE_TIME))
    if run.outcome is not AgingOutcome.COMPLETED and has_lock and run.started_seconds < recently:
        age_seconds = moment.seconds - run.started_seconds
        if age_seconds < stuck_after_seconds - 600 and moment.status.condition not in _WAITING_CONDITIONS:
            event_log.add_complaint(
                EXPLAINED, moment.office_id, f"aging runs and it is called {_format_status(moment.status)}"
            )
        stuck = moment.status.condition is Condition.BLOCKED and "lock is still set" in moment.status.reason
        if age_seconds > stuck_after_seconds + moment.grace_seconds and not stuck:
            event_log.add_complaint(
                EXPLAINED, moment.office_id, f"aging never ended and it is called {_format_status(moment.status)}"
            )


def check_recovered(environment: SimulationEnvironment) -> None:
    """After everything was repaired and time has passed, every office is fresh unless its next run is due already."""
    for office_id, practice in environment.practices.items():
        status = environment.world.get_status(office_id)
        owed = find_unpublished_since(practice, environment.event_log, office_id)
        if owed is not None and environment.seconds - owed > environment.grace_seconds:
            problem = (
                f"everything was repaired at {environment.event_log.recovered_at or 0:.0f} s; its "
                "last run is not published"
            )
            environment.event_log.add_complaint(
                RECOVERED, office_id, f"{problem}; it is called {_format_status(status)}"
            )
        elif CLOCK_STEPS_EXCUSE and environment.event_log.clock_steps and status.condition in _WAITING_CONDITIONS:
            continue
        elif (
            owed is None
            and status.condition is not Condition.FRESH
            and not (status.condition in _WAITING_CONDITIONS and _is_next_run_due(practice))
        ):
            problem = "everything was repaired and its last run is published"
            environment.event_log.add_complaint(
                RECOVERED, office_id, f"{problem}; it is called {_format_status(status)}"
            )


def _is_next_run_due(practice: Practice) -> bool:
    """Whether a run was due, and not long ago, and has not completed since."""
    run = practice.aging.runs[-1]
    if run.outcome is not AgingOutcome.COMPLETED:
        return True
    return run.aging_date < practice.today() and bool(practice.preferences.get(AGING_SERVICE_TIME_DUE))


def _format_status(status: Status) -> str:
    return f"{status.condition.value} since {status.since:%d %H:%M:%S}: {status.reason!r}"
