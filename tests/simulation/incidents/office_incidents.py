"""What goes wrong, or only unusually, in an office itself: its aging, its service, its people.

None of it prevents requests. Every run that completes must be published, and none that does not.
"""

from collections.abc import Callable
from random import Random

from oddaemon.core.failures.failure import FailureKind
from oddaemon.core.model import Condition
from oddaemon.simulator.faults.faults import EConnectorDown, FaultWindow, ScheduledFault
from oddaemon.simulator.practice.preferences import (
    AGING_BEGIN_DATE_TIME,
    AGING_MONTHLY,
    AGING_SERVICE_TIME_DUE,
    PROGRAM_VERSION,
    TIME_DUE_DATE,
)
from tests.simulation.incidents.actions import (
    Action,
    AgeSomeFamilies,
    DelayService,
    InterruptAging,
    PostActivity,
    RunAging,
    SetPreference,
    SetRunDuration,
)
from tests.simulation.incidents.incident import Impact, Incident, expect_failure, expect_status
from tests.simulation.incidents.request_incidents import IN_FLIGHT_SECONDS
from tests.simulation.scenario.fleet import HOUR, TIMES_DUE, VERSIONS, FleetMember, SimulatedFleet
from tests.simulation.scenario.timing import draw_moment, list_due_moments

NEVER_SECONDS = 90 * HOUR
"""A run that takes this long ends after the scenario."""
FIRST_VERSION_OF_TODAY_ONLY = "22.2"
SERVICE_DOWN_SECONDS = 5 * HOUR

DrawIncident = Callable[[Random, SimulatedFleet, str], Incident]


def _draw_second_run(rng: Random, fleet: SimulatedFleet, office_id: str) -> Incident:
    """Aging is run by hand, once or several times, at any time of the day: the date does not move."""
    actions = tuple(RunAging(draw_moment(rng, fleet, office_id), office_id) for _ in range(rng.randint(1, 3)))
    return _make_incident("aging by hand", office_id, actions)


def _draw_run_before_due(rng: Random, fleet: SimulatedFleet, office_id: str) -> Incident:
    due = _draw_due_moment(rng, fleet, office_id)
    return _make_incident("run before due", office_id, (RunAging(max(1.0, due - rng.uniform(1, 2 * HOUR)), office_id),))


def _draw_run_during_pull(rng: Random, fleet: SimulatedFleet, office_id: str) -> Incident:
    """Just after the night's run has completed, aging is run again by hand, once or twice."""
    spec = fleet.get_member(office_id).spec
    completed = _draw_due_moment(rng, fleet, office_id) + spec.start_delay_seconds + spec.run_seconds
    first = completed + rng.uniform(1, 150)
    actions: tuple[Action, ...] = (SetRunDuration(completed + 0.5, office_id, rng.choice((1.0, 5.0, 30.0))),)
    actions += tuple(RunAging(first + rng.uniform(0, 60) * turn, office_id) for turn in range(rng.randint(1, 3)))
    actions += (SetRunDuration(first + 600.0, office_id, spec.run_seconds),)
    return _make_incident("aging runs again", office_id, actions)


def _draw_future_date(rng: Random, fleet: SimulatedFleet, office_id: str) -> Incident:
    """Versions before 22.2 could age for any day; later the office runs aging for today."""
    if fleet.get_member(office_id).spec.program_version >= FIRST_VERSION_OF_TODAY_ONLY:
        return _draw_second_run(rng, fleet, office_id)
    begins, days_ahead = draw_moment(rng, fleet, office_id), rng.randint(1, 9)
    ends = begins + rng.uniform(HOUR, 12 * HOUR)
    actions = (RunAging(begins, office_id, days_ahead), RunAging(ends, office_id))
    expected_statuses = (expect_status("future date", Condition.BLOCKED), expect_status("Aging of", Condition.FRESH))
    return Incident(
        "future date", (office_id,), begins, ends, Impact.AGING, actions=actions, expected_statuses=expected_statuses
    )


def _draw_endless_run(rng: Random, fleet: SimulatedFleet, office_id: str) -> Incident:
    """One night's run does not end until the office ends the program, clears the lock and ages by hand."""
    spec = fleet.get_member(office_id).spec
    begins = max(1.0, _draw_due_moment(rng, fleet, office_id) - 60.0)
    ended = begins + spec.start_delay_seconds + rng.uniform(0.5 * HOUR, 14 * HOUR)
    actions = (
        SetRunDuration(begins, office_id, NEVER_SECONDS),
        SetRunDuration(ended, office_id, spec.run_seconds),
        InterruptAging(ended + 1, office_id),
        SetPreference(ended + 2, office_id, AGING_BEGIN_DATE_TIME, ""),
        RunAging(ended + 3, office_id),
    )
    return Incident("aging never ends", (office_id,), begins, ended + 4, Impact.AGING, actions=actions)


def _draw_partial_aging(rng: Random, fleet: SimulatedFleet, office_id: str) -> Incident:
    """Charges are posted: by day, shortly before the due time, or while the night's balances are read."""
    spec = fleet.get_member(office_id).spec
    due = _draw_due_moment(rng, fleet, office_id)
    completed = due + spec.start_delay_seconds + spec.run_seconds
    moments = [
        rng.choice((draw_moment(rng, fleet, office_id), due - rng.uniform(0, 20), completed + rng.uniform(1, 300)))
        for _ in range(rng.randint(1, 6))
    ]
    actions = tuple(
        AgeSomeFamilies(max(1.0, moment), office_id, rng.randint(1, 12), rng.choice((1.0, 3.0, 20.0, 90.0)))
        for moment in moments
    )
    return _make_incident("some families aged", office_id, actions)


def _draw_rolled_back_run(rng: Random, fleet: SimulatedFleet, office_id: str) -> Incident:
    """The night's run meets a deadlock: from 22.2 on it writes nothing and clears its lock. Aged by hand later."""
    spec = fleet.get_member(office_id).spec
    failed = (
        _draw_due_moment(rng, fleet, office_id) + spec.start_delay_seconds + spec.run_seconds * rng.uniform(0, 0.85)
    )
    ends = failed + rng.choice((HOUR / 6, HOUR, 6 * HOUR))
    actions = (InterruptAging(failed, office_id, rolls_back=True), RunAging(ends, office_id))
    return Incident("run rolled back", (office_id,), failed, ends + 2, Impact.AGING, actions=actions)


def _draw_crash_with_lock(rng: Random, fleet: SimulatedFleet, office_id: str) -> Incident:
    """The run crashes half-way; an administrator clears its lock later, or the next night's run goes over it."""
    spec = fleet.get_member(office_id).spec
    started = _draw_due_moment(rng, fleet, office_id) + spec.start_delay_seconds
    crashed = started + spec.run_seconds * rng.uniform(0.05, 0.85)
    actions: tuple[Action, ...] = (InterruptAging(crashed, office_id),)
    ends = crashed
    if rng.random() < 0.7:
        ends = crashed + rng.choice((HOUR / 6, HOUR, 6 * HOUR, 14 * HOUR))
        actions += (SetPreference(ends, office_id, AGING_BEGIN_DATE_TIME, ""), RunAging(ends + 1, office_id))
    return Incident("crash leaves lock", (office_id,), crashed, ends + 2, Impact.AGING, actions=actions)


def _draw_service_down(rng: Random, fleet: SimulatedFleet, office_id: str) -> Incident:
    """The Open Dental Service is down in the hour of aging, one night or every night."""
    begins = max(1.0, _draw_due_moment(rng, fleet, office_id) - rng.uniform(0, HOUR))
    ends = begins + rng.choice((0.5 * HOUR, 6 * HOUR, 30 * HOUR))
    actions = (
        DelayService(begins, office_id, SERVICE_DOWN_SECONDS),
        DelayService(ends, office_id, fleet.get_member(office_id).spec.start_delay_seconds),
    )
    return Incident("service down", (office_id,), begins, ends, Impact.AGING, actions=actions)


def _draw_automation_off(rng: Random, fleet: SimulatedFleet, office_id: str) -> Incident:
    begins = draw_moment(rng, fleet, office_id)
    ends = begins + rng.uniform(HOUR, 20 * HOUR)
    due = fleet.get_member(office_id).spec.service_time_due
    actions: tuple[Action, ...] = (SetPreference(begins, office_id, AGING_SERVICE_TIME_DUE, ""),)
    if rng.random() < 0.5:
        actions += (RunAging((begins + ends) / 2, office_id),)
    actions += (SetPreference(ends, office_id, AGING_SERVICE_TIME_DUE, f"{TIME_DUE_DATE} {due}"),)
    return Incident("automation off", (office_id,), begins, ends, Impact.AGING, actions=actions)


def _draw_due_time_change(rng: Random, fleet: SimulatedFleet, office_id: str) -> Incident:
    due = f"{TIME_DUE_DATE} {rng.choice(TIMES_DUE)}"
    return _make_incident(
        "due time moved",
        office_id,
        (SetPreference(draw_moment(rng, fleet, office_id), office_id, AGING_SERVICE_TIME_DUE, due),),
    )


def _draw_upgrade(rng: Random, fleet: SimulatedFleet, office_id: str) -> Incident:
    """Open Dental is updated: its eConnector is down for a while, and monthly aging no longer exists."""
    begins = draw_moment(rng, fleet, office_id)
    ends = begins + rng.uniform(120, 2400)
    scheduled = ScheduledFault(EConnectorDown(), frozenset({office_id}), FaultWindow(begins, ends))
    updated = (begins + ends) / 2
    actions = (
        SetPreference(updated, office_id, PROGRAM_VERSION, VERSIONS[0]),
        SetPreference(updated, office_id, AGING_MONTHLY, "0"),
    )
    expected_statuses = (expect_failure(FailureKind.ECONNECTOR_DOWN),)
    over = ends + IN_FLIGHT_SECONDS
    return Incident("upgraded", (office_id,), begins, over, Impact.EVERYTHING, (scheduled,), actions, expected_statuses)


def _draw_busy_hour(rng: Random, fleet: SimulatedFleet, office_id: str) -> Incident:
    """Balances change while they are read; families vanish and come back."""
    spec = fleet.get_member(office_id).spec
    begins = max(1.0, _draw_due_moment(rng, fleet, office_id) + spec.start_delay_seconds + spec.run_seconds - 20.0)
    lasts_seconds = rng.uniform(60, 400)
    actions = (PostActivity(begins, office_id, lasts_seconds, rng.choice((0.3, 1.0, 4.0))),)
    return Incident("busy hour", (office_id,), begins, begins + lasts_seconds, Impact.SOMETIMES, actions=actions)


def _draw_due_moment(rng: Random, fleet: SimulatedFleet, office_id: str) -> float:
    member: FleetMember = fleet.get_member(office_id)
    return rng.choice(list_due_moments(fleet, member) or [fleet.seconds / 2])


def _make_incident(kind: str, office_id: str, actions: tuple[Action, ...]) -> Incident:
    moments = [action.at_seconds for action in actions]
    return Incident(kind, (office_id,), min(moments), max(moments), Impact.NOTHING, actions=actions)


OFFICE_INCIDENTS: dict[str, DrawIncident] = {
    "aging by hand": _draw_second_run,
    "run before due": _draw_run_before_due,
    "aging runs again": _draw_run_during_pull,
    "future date": _draw_future_date,
    "aging never ends": _draw_endless_run,
    "some families aged": _draw_partial_aging,
    "run rolled back": _draw_rolled_back_run,
    "crash leaves lock": _draw_crash_with_lock,
    "service down": _draw_service_down,
    "automation off": _draw_automation_off,
    "due time moved": _draw_due_time_change,
    "upgraded": _draw_upgrade,
    "busy hour": _draw_busy_hour,
}
