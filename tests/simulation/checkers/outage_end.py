"""After an outage of headquarters every office is asked again within a minute of its end, whatever its back-off."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf

from oddaemon.simulator.headquarters.traffic_log import RecordedRequest
from tests.simulation.checkers.rate_limits import find_known_at
from tests.simulation.environment import SimulationEnvironment
from tests.simulation.event_log import EventLog
from tests.simulation.incidents.incident import Impact, Incident
from tests.simulation.incidents.request_incidents import HEADQUARTERS_DOWN

ASKED_AGAIN = "asked again"
SECONDS_MAX = 60.0


@dataclass(frozen=True)
class Outage:
    """An outage that began and ended while one daemon was running, before everything was repaired."""

    known_at: float
    cured_at: float
    affected: frozenset[str]
    """The offices whose requests failed."""


def check(environment: SimulationEnvironment) -> None:
    """Check the requests after each outage against the limit."""
    event_log = environment.event_log
    for incident in environment.scenario.incidents:
        if incident.kind != HEADQUARTERS_DOWN:
            continue
        others = [each for each in environment.scenario.incidents if each is not incident]
        for outage in find_outages(incident, environment.headquarters.traffic, event_log):
            for office_id in sorted(outage.affected):
                if not _is_disturbed(office_id, outage, others, event_log):
                    check_office(office_id, outage, environment.headquarters.traffic, event_log)


def find_outages(incident: Incident, traffic: Sequence[RecordedRequest], event_log: EventLog) -> Iterator[Outage]:
    """The outage as each daemon saw it."""
    (scheduled,) = incident.scheduled_faults
    begins, cured_at = float(scheduled.window.begins), float(scheduled.window.ends)  # type: ignore[arg-type]  # never instants here
    if cured_at + SECONDS_MAX >= (event_log.faults_cleared_at or inf):
        return
    for born, died in event_log.lives:
        if born >= cured_at or (died is not None and died <= cured_at + SECONDS_MAX):
            continue
        first = max(begins, born)
        met = [
            each
            for each in traffic
            if each.office_id in incident.office_ids and first <= each.arrived_seconds < cured_at
        ]
        met.sort(key=lambda request: request.arrived_seconds)
        known_at = find_known_at(met)
        if known_at is not None and known_at < cured_at:
            yield Outage(known_at, cured_at, frozenset(each.office_id for each in met))


def check_office(office_id: str, outage: Outage, traffic: Sequence[RecordedRequest], event_log: EventLog) -> None:
    """Check one office. A request that was pending when the outage ended may finish first."""
    own = [each for each in traffic if each.office_id == office_id]
    free_at = max([outage.cured_at, *(each.finished_seconds for each in own if each.arrived_seconds < outage.cured_at)])
    asked_at = min((each.arrived_seconds for each in own if each.arrived_seconds >= outage.cured_at), default=inf)
    if asked_at > free_at + SECONDS_MAX:
        event_log.add_complaint(
            ASKED_AGAIN,
            office_id,
            f"headquarters was down, known at {outage.known_at:.0f} s and cured at {outage.cured_at:.0f} s; the office"
            f" was free at {free_at:.0f} s and asked next at {asked_at:.0f} s",
        )


def _is_disturbed(office_id: str, outage: Outage, others: Sequence[Incident], event_log: EventLog) -> bool:
    """Whether anything else prevented requests to the office."""
    ends = outage.cured_at + SECONDS_MAX
    wanted = event_log.wanted_settings[office_id]
    latest = next((each for each in reversed(wanted) if each.seconds <= ends), None)
    if (
        latest is None
        or latest.settings is None
        or not latest.settings.spec.enabled
        or latest.seconds > outage.known_at
    ):
        return True
    return any(
        office_id in each.office_ids
        and each.begins < ends
        and each.ends > outage.known_at - SECONDS_MAX
        and (each.impact is not Impact.NOTHING or bool(each.scheduled_faults))
        for each in others
    )
