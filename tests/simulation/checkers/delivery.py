"""Every completed run is published, or its office is explained by what was really done to it.

Looked at again and again while the story is played. What a daemon owes at a moment is judged from the offices' own past
and from the troubles that were planted; how long it may owe it follows from its own intervals.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from oddaemon.core.model import Condition, Status
from oddaemon.simulator.practice.aging_run import AgingOutcome, AgingRun
from oddaemon.simulator.practice.practice import Practice
from oddaemon.simulator.practice.preferences import AGING_BEGIN_DATE_TIME, AGING_SERVICE_TIME_DUE
from tests.simulation.chronicle import Chronicle, Publication
from tests.simulation.patience import CLOCK_STEPS_EXCUSE, hold_seconds
from tests.simulation.request_troubles import IN_FLIGHT_SECONDS
from tests.simulation.stage import Stage
from tests.simulation.troubles import Reach, Trouble

OWED = "owed"
NAMED = "named"
RECOVERED = "recovered"

_WAITING = frozenset({Condition.WAITING, Condition.AGING, Condition.LATE})


@dataclass(frozen=True)
class Moment:
    """What a checker needs to know of one office at one moment."""

    office_id: str
    seconds: float
    standing: Status
    practice: Practice
    troubles: Sequence[Trouble]
    """Those that concern this office."""
    untouched_since: float
    """Since then the same daemon has been there, has wanted the same and has not been told to wait."""
    patience_seconds: float


def look(stage: Stage) -> None:
    """Hold every office that is wanted against what is owed to it now."""
    chronicle, now = stage.chronicle, stage.seconds
    alive_since = chronicle.alive_since
    if alive_since is None or not stage.world.is_running:
        return
    for office_id, practice in stage.practices.items():
        wished = chronicle.wanted(office_id)
        if wished is None or office_id not in stage.world.daemon.fleet.offices:
            continue
        settings = stage.world.settings
        moment = Moment(
            office_id,
            now,
            stage.world.standing(office_id),
            practice,
            _troubles_of(stage, office_id),
            max(alive_since, wished.seconds, stage.obliged_until(office_id)),
            stage.patience_seconds + hold_seconds(settings.plausibility),
        )
        _hold_against_what_is_owed(moment, chronicle)
        _hold_against_troubles(moment, chronicle)
        _hold_against_aging(moment, chronicle, settings.cadence.stuck_after_seconds)


def _troubles_of(stage: Stage, office_id: str) -> list[Trouble]:
    """Those that concern an office, as far as they were let go on."""
    cleared_at = stage.chronicle.cleared_at
    own = [trouble for trouble in stage.story.troubles if office_id in trouble.office_ids]
    if cleared_at is None:
        return own
    return [replace(each, ends=min(each.ends, cleared_at)) for each in own if each.begins < cleared_at]


def owes_since(practice: Practice, chronicle: Chronicle, office_id: str) -> float | None:
    """Since when the office's last run is complete and not published; None: nothing is owed."""
    runs = practice.aging_runs
    if not runs or runs[-1].outcome is not AgingOutcome.COMPLETED or runs[-1].ended_seconds is None:
        return None
    if runs[-1].aging_date > practice.today():
        return None
    done_at = runs[-1].ended_seconds
    told = chronicle.publications[office_id]
    if told and (told[-1].seconds >= done_at or not _shows(runs[-1], told[-1], chronicle, office_id)):
        return None
    return done_at


def _shows(run: AgingRun, told: Publication, chronicle: Chronicle, office_id: str) -> bool:
    """Whether anything gave away that this is another run than the published one: its date, or what was asked since.

    The preferences say the same before and after a second run of one day; only who asks in the middle of it can tell.
    """
    if run.aging_date != told.aging_date:
        return True
    published = told.aging_date.isoformat()
    return any(
        seen.seconds > told.seconds and (seen.lock or seen.date_last_aging != published)
        for seen in chronicle.seen[office_id]
    )


def _hold_against_what_is_owed(moment: Moment, chronicle: Chronicle) -> None:
    since = owes_since(moment.practice, chronicle, moment.office_id)
    if since is None:
        return
    well_since = max(since, _well_since(moment), moment.untouched_since)
    if moment.seconds - well_since > moment.patience_seconds:
        chronicle.find(
            OWED,
            moment.office_id,
            f"the run that completed at {since:.0f} s is not published although all has been well since"
            f" {well_since:.0f} s; the office is called {_said(moment.standing)}",
        )


def _well_since(moment: Moment) -> float:
    """When the last trouble that spoils anything ended; now, while one stands."""
    well_since = 0.0
    for trouble in moment.troubles:
        if trouble.reach in (Reach.NOTHING, Reach.AGING) or trouble.begins > moment.seconds:
            continue
        well_since = max(well_since, min(trouble.ends, moment.seconds))
    return well_since


def _hold_against_troubles(moment: Moment, chronicle: Chronicle) -> None:
    """While an office cannot be asked, or cannot be read where it should be, it is called by what keeps it."""
    recently = moment.seconds - moment.patience_seconds
    owed_since = owes_since(moment.practice, chronicle, moment.office_id)
    reaches = {Reach.EVERYTHING}
    if owed_since is not None and owed_since <= recently:
        reaches.add(Reach.QUERIES)
    standing = [each for each in moment.troubles if each.reach in reaches]
    if not _covered(standing, recently, moment.seconds + IN_FLIGHT_SECONDS):
        return
    if moment.untouched_since > recently:
        return
    recent = [each for each in moment.troubles if each.begins <= moment.seconds and each.ends > recently]
    blames = [blame for trouble in recent for blame in trouble.blames]
    if not any(blame.fits(moment.standing) for blame in blames):
        kinds = ", ".join(sorted({trouble.kind for trouble in recent}))
        chronicle.find(NAMED, moment.office_id, f"in trouble ({kinds}) and called {_said(moment.standing)}")


def _covered(troubles: Sequence[Trouble], begins: float, ends: float) -> bool:
    """Whether one trouble or another stood all this time."""
    spans = sorted((trouble.begins, trouble.ends) for trouble in troubles if trouble.ends > begins)
    if not spans or spans[0][0] > begins:
        return False
    reached = spans[0][1]
    for (_, _), (next_begins, next_ends) in pairwise(spans):
        if next_begins > reached:
            break
        reached = max(reached, next_ends)
    return reached > ends


def _hold_against_aging(moment: Moment, chronicle: Chronicle, stuck_after_seconds: float) -> None:
    """An office that can be asked is called by what its own aging does, once there was time to see it."""
    recently = max(moment.seconds - moment.patience_seconds, 0.0)
    if max(_well_since(moment), moment.untouched_since) > recently or not moment.practice.aging_runs:
        return
    if CLOCK_STEPS_EXCUSE and chronicle.clock_steps:
        return
    run = moment.practice.aging_runs[-1]
    has_lock = bool(moment.practice.get_preference(AGING_BEGIN_DATE_TIME))
    if run.outcome is not AgingOutcome.COMPLETED and has_lock and run.started_seconds < recently:
        age_seconds = moment.seconds - run.started_seconds
        if age_seconds < stuck_after_seconds - 600 and moment.standing.condition not in _WAITING:
            chronicle.find(NAMED, moment.office_id, f"aging runs and it is called {_said(moment.standing)}")
        stuck = moment.standing.condition is Condition.BLOCKED and "never finished" in moment.standing.reason
        if age_seconds > stuck_after_seconds + moment.patience_seconds and not stuck:
            chronicle.find(NAMED, moment.office_id, f"aging never ended and it is called {_said(moment.standing)}")


def recovered(stage: Stage) -> None:
    """After everything was put right and time has passed, every office is fresh unless its next run is due already."""
    for office_id, practice in stage.practices.items():
        standing = stage.world.standing(office_id)
        owed = owes_since(practice, stage.chronicle, office_id)
        if owed is not None and stage.seconds - owed > stage.patience_seconds:
            said = f"everything was put right at {stage.chronicle.healed_at or 0:.0f} s; its last run is not published"
            stage.chronicle.find(RECOVERED, office_id, f"{said}; it is called {_said(standing)}")
        elif CLOCK_STEPS_EXCUSE and stage.chronicle.clock_steps and standing.condition in _WAITING:
            continue
        elif (
            owed is None
            and standing.condition is not Condition.FRESH
            and not (standing.condition in _WAITING and _is_next_run_due(practice))
        ):
            said = "everything was put right and its last run is published"
            stage.chronicle.find(RECOVERED, office_id, f"{said}; it is called {_said(standing)}")


def _is_next_run_due(practice: Practice) -> bool:
    """Whether a run was due, and not long ago, and has not completed since."""
    run = practice.aging_runs[-1]
    if run.outcome is not AgingOutcome.COMPLETED:
        return True
    return run.aging_date < practice.today() and bool(practice.get_preference(AGING_SERVICE_TIME_DUE))


def _said(standing: Status) -> str:
    return f"{standing.condition.value} since {standing.since:%d %H:%M:%S}: {standing.reason!r}"
