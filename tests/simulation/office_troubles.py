"""What goes wrong, or only unusually, in an office itself: its aging, its service, its people.

None of it keeps anybody from asking. Whatever run completes must be published; what is not complete must not be.
"""

from collections.abc import Callable
from random import Random

from oddaemon.core.model import Condition
from oddaemon.simulator.faults.faults import EConnectorDown, FaultWindow, ScheduledFault
from oddaemon.simulator.practice.initial_rows import TIME_DUE_DATE
from oddaemon.simulator.practice.preferences import (
    AGING_BEGIN_DATE_TIME,
    AGING_MONTHLY,
    AGING_SERVICE_TIME_DUE,
    PROGRAM_VERSION,
)
from tests.simulation.cast import HOUR, TIMES_DUE, VERSIONS, Cast, Member
from tests.simulation.deeds import (
    Administration,
    AgingBrokenOff,
    AgingByHand,
    BusyHour,
    Deed,
    LastingRuns,
    ServiceDelay,
)
from tests.simulation.moments import due_moments, moment
from tests.simulation.request_troubles import IN_FLIGHT_SECONDS
from tests.simulation.troubles import Reach, Trouble, blame

NEVER_SECONDS = 90 * HOUR
"""A run that takes so long ends after the story."""
FIRST_VERSION_OF_TODAY_ONLY = "22.2"
SERVICE_DOWN_SECONDS = 5 * HOUR

DrawTrouble = Callable[[Random, Cast, str], Trouble]


def _second_run(dice: Random, cast: Cast, office_id: str) -> Trouble:
    """Somebody runs aging by hand, once or several times, at any time of the day: the date does not move."""
    deeds = tuple(AgingByHand(moment(dice, cast, office_id), office_id) for _ in range(dice.randint(1, 3)))
    return _of("aging by hand", office_id, deeds)


def _run_before_due(dice: Random, cast: Cast, office_id: str) -> Trouble:
    due = _some_due(dice, cast, office_id)
    return _of("run before due", office_id, (AgingByHand(max(1.0, due - dice.uniform(1, 2 * HOUR)), office_id),))


def _run_in_the_middle_of_a_pull(dice: Random, cast: Cast, office_id: str) -> Trouble:
    """Just when the night's run has completed somebody runs it again, or twice."""
    spec = cast.member(office_id).spec
    completed = _some_due(dice, cast, office_id) + spec.start_delay_seconds + spec.run_seconds
    first = completed + dice.uniform(1, 150)
    deeds: tuple[Deed, ...] = (LastingRuns(completed + 0.5, office_id, dice.choice((1.0, 5.0, 30.0))),)
    deeds += tuple(AgingByHand(first + dice.uniform(0, 60) * turn, office_id) for turn in range(dice.randint(1, 3)))
    deeds += (LastingRuns(first + 600.0, office_id, spec.run_seconds),)
    return _of("aging runs again", office_id, deeds)


def _future_date(dice: Random, cast: Cast, office_id: str) -> Trouble:
    """Versions before 22.2 could age for any day; somebody notices later and ages for today."""
    if cast.member(office_id).spec.program_version >= FIRST_VERSION_OF_TODAY_ONLY:
        return _second_run(dice, cast, office_id)
    begins, days_ahead = moment(dice, cast, office_id), dice.randint(1, 9)
    ends = begins + dice.uniform(HOUR, 12 * HOUR)
    deeds = (AgingByHand(begins, office_id, days_ahead), AgingByHand(ends, office_id))
    blames = (blame("future date", Condition.BLOCKED), blame("Aging of", Condition.FRESH))
    return Trouble("future date", (office_id,), begins, ends, Reach.AGING, deeds=deeds, blames=blames)


def _never_ends(dice: Random, cast: Cast, office_id: str) -> Trouble:
    """One night's run does not end until somebody ends the program, clears the lock and ages by hand."""
    spec = cast.member(office_id).spec
    begins = max(1.0, _some_due(dice, cast, office_id) - 60.0)
    ended = begins + spec.start_delay_seconds + dice.uniform(0.5 * HOUR, 14 * HOUR)
    deeds = (
        LastingRuns(begins, office_id, NEVER_SECONDS),
        LastingRuns(ended, office_id, spec.run_seconds),
        AgingBrokenOff(ended + 1, office_id),
        Administration(ended + 2, office_id, AGING_BEGIN_DATE_TIME, ""),
        AgingByHand(ended + 3, office_id),
    )
    return Trouble("aging never ends", (office_id,), begins, ended + 4, Reach.AGING, deeds=deeds)


def _crash_leaves_lock(dice: Random, cast: Cast, office_id: str) -> Trouble:
    """The run crashes half-way; an administrator clears its lock later, or the next night's run goes over it."""
    spec = cast.member(office_id).spec
    started = _some_due(dice, cast, office_id) + spec.start_delay_seconds
    crashed = started + spec.run_seconds * dice.uniform(0.05, 0.85)
    deeds: tuple[Deed, ...] = (AgingBrokenOff(crashed, office_id),)
    ends = crashed
    if dice.random() < 0.7:
        ends = crashed + dice.choice((HOUR / 6, HOUR, 6 * HOUR, 14 * HOUR))
        deeds += (Administration(ends, office_id, AGING_BEGIN_DATE_TIME, ""), AgingByHand(ends + 1, office_id))
    return Trouble("crash leaves lock", (office_id,), crashed, ends + 2, Reach.AGING, deeds=deeds)


def _service_down(dice: Random, cast: Cast, office_id: str) -> Trouble:
    """The Open Dental Service sleeps through its hour, one night or all of them."""
    begins = max(1.0, _some_due(dice, cast, office_id) - dice.uniform(0, HOUR))
    ends = begins + dice.choice((0.5 * HOUR, 6 * HOUR, 30 * HOUR))
    deeds = (
        ServiceDelay(begins, office_id, SERVICE_DOWN_SECONDS),
        ServiceDelay(ends, office_id, cast.member(office_id).spec.start_delay_seconds),
    )
    return Trouble("service down", (office_id,), begins, ends, Reach.AGING, deeds=deeds)


def _automation_off(dice: Random, cast: Cast, office_id: str) -> Trouble:
    begins = moment(dice, cast, office_id)
    ends = begins + dice.uniform(HOUR, 20 * HOUR)
    due = cast.member(office_id).spec.service_time_due
    deeds: tuple[Deed, ...] = (Administration(begins, office_id, AGING_SERVICE_TIME_DUE, ""),)
    if dice.random() < 0.5:
        deeds += (AgingByHand((begins + ends) / 2, office_id),)
    deeds += (Administration(ends, office_id, AGING_SERVICE_TIME_DUE, f"{TIME_DUE_DATE} {due}"),)
    return Trouble("automation off", (office_id,), begins, ends, Reach.AGING, deeds=deeds)


def _due_time_moved(dice: Random, cast: Cast, office_id: str) -> Trouble:
    due = f"{TIME_DUE_DATE} {dice.choice(TIMES_DUE)}"
    return _of(
        "due time moved",
        office_id,
        (Administration(moment(dice, cast, office_id), office_id, AGING_SERVICE_TIME_DUE, due),),
    )


def _upgraded(dice: Random, cast: Cast, office_id: str) -> Trouble:
    """Open Dental is updated: its eConnector is away for a while, and monthly aging exists no longer."""
    begins = moment(dice, cast, office_id)
    ends = begins + dice.uniform(120, 2400)
    planted = ScheduledFault(EConnectorDown(), frozenset({office_id}), FaultWindow(begins, ends))
    updated = (begins + ends) / 2
    deeds = (
        Administration(updated, office_id, PROGRAM_VERSION, VERSIONS[0]),
        Administration(updated, office_id, AGING_MONTHLY, "0"),
    )
    blames = (blame("eConnector", Condition.UNREACHABLE),)
    over = ends + IN_FLIGHT_SECONDS
    return Trouble("upgraded", (office_id,), begins, over, Reach.EVERYTHING, (planted,), deeds, blames)


def _busy_hour(dice: Random, cast: Cast, office_id: str) -> Trouble:
    """Balances change while they are read; families vanish and come back."""
    spec = cast.member(office_id).spec
    begins = max(1.0, _some_due(dice, cast, office_id) + spec.start_delay_seconds + spec.run_seconds - 20.0)
    lasts_seconds = dice.uniform(60, 400)
    deeds = (BusyHour(begins, office_id, lasts_seconds, dice.choice((0.3, 1.0, 4.0))),)
    return Trouble("busy hour", (office_id,), begins, begins + lasts_seconds, Reach.SOMETIMES, deeds=deeds)


def _some_due(dice: Random, cast: Cast, office_id: str) -> float:
    member: Member = cast.member(office_id)
    return dice.choice(due_moments(cast, member) or [cast.seconds / 2])


def _of(kind: str, office_id: str, deeds: tuple[Deed, ...]) -> Trouble:
    moments = [deed.at_seconds for deed in deeds]
    return Trouble(kind, (office_id,), min(moments), max(moments), Reach.NOTHING, deeds=deeds)


OFFICE_TROUBLES: dict[str, DrawTrouble] = {
    "aging by hand": _second_run,
    "run before due": _run_before_due,
    "aging runs again": _run_in_the_middle_of_a_pull,
    "future date": _future_date,
    "aging never ends": _never_ends,
    "crash leaves lock": _crash_leaves_lock,
    "service down": _service_down,
    "automation off": _automation_off,
    "due time moved": _due_time_moved,
    "upgraded": _upgraded,
    "busy hour": _busy_hour,
}
