"""All steps of an examination, from what was observed: total, and in one order."""

from collections.abc import Callable, Iterator, Mapping

from oddaemon.core import examination_aging, examination_balances, examination_rights
from oddaemon.core.examination import Outcome, Patient, Seen, Step, StepName
from oddaemon.core.examination_rights import is_too_old
from oddaemon.core.examination_way import interrupted, not_tried, way_steps

PREFERENCES = (
    "ProgramVersion",
    "PracticeTitle",
    "AgingBeginDateTime",
    "DateLastAging",
    "AgingServiceTimeDue",
    "AgingCalculatedMonthlyInsteadOfDaily",
    "OpenDentalServiceHeartbeat",
)
"""What is asked for, in this order: the lock of aging before its date."""
_JUDGES: Mapping[StepName, Callable[[Patient, Seen], Step]] = {
    StepName.VERSION: examination_rights.version,
    StepName.PREFERENCES: examination_rights.may_read_preferences,
    StepName.QUERIES: examination_rights.may_query,
    StepName.REPORTS: examination_rights.may_read_reports,
    StepName.CLOCK: examination_aging.clock,
    StepName.SERVICE: examination_aging.service,
    StepName.AUTOMATION: examination_aging.automation,
    StepName.AGING: examination_aging.aging,
    StepName.CLINICS: examination_balances.clinics,
    StepName.GUARANTORS: examination_balances.guarantors,
    StepName.READER: examination_balances.reader,
    StepName.COST: examination_balances.cost,
    StepName.OUR_KEY: examination_rights.our_key,
}
_NEED_PREFERENCES = frozenset({StepName.SERVICE, StepName.AUTOMATION, StepName.AGING})


def steps_of(patient: Patient, seen: Seen) -> tuple[Step, ...]:
    """Every step, in the order of `StepName`; never raises, whatever was observed."""
    way = tuple(way_steps(patient, seen))
    blocker = next((step.name for step in way if step.outcome is Outcome.WRONG), None)
    return (*way, *_inside(patient, seen, blocker))


def _inside(patient: Patient, seen: Seen, blocker: StepName | None) -> Iterator[Step]:
    for name, judge in _JUDGES.items():
        if blocker is not None:
            yield not_tried(name, blocker)
        elif seen.interrupted and not (name is StepName.QUERIES and seen.clocks is not None):
            # Half of the answers make no verdict.
            yield interrupted(name)
        elif seen.preferences_failure is not None and name in _NEED_PREFERENCES:
            yield not_tried(name, StepName.VERSION if is_too_old(seen) else StepName.PREFERENCES)
        else:
            yield judge(patient, seen)
