"""One failing office changes nothing for the others: the scenario is played again without its failures."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from tests.simulation.event_log import Complaint
from tests.simulation.runner import PublishedResult, SimulationOutcome, run_scenario

ISOLATION = "neighbours"
DELAY_SECONDS_MAX = 60.0
"""What a failing office may cost the others: its turn at the rate limiter, a request with a full time-out."""


def check(with_incident: SimulationOutcome) -> Iterator[Complaint]:
    """Find what differs for the others from the run without the failures, until everything is repaired."""
    scenario = with_incident.scenario
    without_incident = run_scenario(replace(scenario, incidents=()))
    for office_id in scenario.fleet.ids:
        if office_id != scenario.failing_office:
            one, other = (
                [
                    snapshot
                    for snapshot in each.published[office_id]
                    if snapshot.published_seconds < scenario.fleet.seconds
                ]
                for each in (with_incident, without_incident)
            )
            yield from _find_differences(office_id, one, other)


def _find_differences(
    office_id: str, with_incident: Sequence[PublishedResult], without_incident: Sequence[PublishedResult]
) -> Iterator[Complaint]:
    """What differs in an office's snapshots beside a failing office from those beside a healthy one."""
    dates, usual_dates = (
        [str(snapshot.row.aging_date) for snapshot in each] for each in (with_incident, without_incident)
    )
    if dates != usual_dates:
        problem = f"published {dates} beside a failing office, {usual_dates} beside a healthy one"
        yield Complaint(ISOLATION, office_id, 0.0, problem)
        return
    for one, other in zip(with_incident, without_incident, strict=True):
        later = one.published_seconds - other.published_seconds
        if abs(later) > DELAY_SECONDS_MAX:
            problem = f"snapshot of {one.row.aging_date} came {later:+.1f} s later because another office fails"
            yield Complaint(ISOLATION, office_id, one.published_seconds, problem)
        elif one.balances != other.balances:
            problem = f"snapshot of {one.row.aging_date} has other balances because another office fails"
            yield Complaint(ISOLATION, office_id, one.published_seconds, problem)
