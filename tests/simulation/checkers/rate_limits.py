"""The requests of this machine: never too many, never too soon, and fewer the more fails.

All of it is read off headquarters' own log, whose seconds no step of a clock disturbs.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from oddaemon.core.model import Cadence, Condition
from oddaemon.settings import ApiSettings
from oddaemon.simulator.api.messages import BrokenConnection, ConnectionFailure
from oddaemon.simulator.faults.faults import Fault
from oddaemon.simulator.headquarters.traffic_log import RecordedRequest
from tests.simulation.environment import SimulationEnvironment
from tests.simulation.event_log import EventLog
from tests.simulation.incidents.incident import Incident
from tests.simulation.incidents.request_incidents import HEADQUARTERS_DOWN

POLITE = "polite"
SLOW_PROBES = "slow probes"
ONE_BY_ONE = "one by one"

CHECK_SECONDS = 300.0
"""All requests of one probe of an office that is blocked: its preferences, perhaps a statement, pages, a GET again."""
CHECK_REQUESTS_MAX = 80
OUTAGE_OFFICES_MIN = 3
"""Offices without a response before headquarters counts as down."""
SILENCE_FORGOTTEN_SECONDS = 600.0
PROBE_SECONDS = (5.0, 10.0)
"""Before the first trials."""
PROBE_SECONDS_MAX = 20.0
"""Between all later ones. A trial that hangs for longer does not hold up the next one."""
JITTER_SECONDS = 0.5


def check(environment: SimulationEnvironment) -> None:
    """Check all traffic of a run against the limits."""
    for violation in environment.world.find_violations():
        environment.event_log.add_complaint(POLITE, "", violation)
    for office_id in environment.practices:
        own = [each for each in environment.headquarters.traffic if each.office_id == office_id]
        own.sort(key=lambda request: request.arrived_seconds)
        check_slow_probes(
            office_id, own, environment.event_log, environment.scenario.fleet.cadence, environment.seconds
        )
    for incident in environment.scenario.incidents:
        if incident.kind == HEADQUARTERS_DOWN:
            check_one_by_one(incident, environment.headquarters.traffic, environment.event_log)


def check_slow_probes(
    office_id: str, own: Sequence[RecordedRequest], event_log: EventLog, cadence: Cadence, now_seconds: float
) -> None:
    """A blocked office is probed no more often than the slow probes allow."""
    for begins, ends in _find_blocked_periods(event_log, office_id, now_seconds):
        groups = list(_group_requests([each for each in own if begins + CHECK_SECONDS <= each.arrived_seconds < ends]))
        nights, steps = (ends - begins) / 86_400, sum(begins <= at < ends for at in event_log.clock_steps)
        reloads = sum(begins <= wanted.seconds < ends for wanted in event_log.wanted_settings[office_id])
        # A night's due time is looked at too, as a run by the clock would end what only a human seems to end.
        allowed = (ends - begins) / cadence.blocked_probe_seconds + 2 + 2 * nights + steps + reloads
        if len(groups) > allowed:
            event_log.add_complaint(
                SLOW_PROBES,
                office_id,
                f"blocked from {begins:.0f} s to {ends:.0f} s and looked at {len(groups)} times where {allowed:.1f}"
                f" are slow: {[round(look[0].arrived_seconds) for look in groups]}",
            )
        for group in groups:
            if len(group) > CHECK_REQUESTS_MAX:
                at = group[0].arrived_seconds
                event_log.add_complaint(SLOW_PROBES, office_id, f"{len(group)} requests in one probe at {at:.0f} s")


def _find_blocked_periods(event_log: EventLog, office_id: str, now_seconds: float) -> Iterator[tuple[float, float]]:
    conditions = event_log.reported_conditions[office_id]
    began: float | None = None
    for each in conditions:
        if each.condition is Condition.BLOCKED and began is None:
            began = each.seconds
        elif each.condition is not Condition.BLOCKED and began is not None:
            yield began, each.seconds
            began = None
    if began is not None:
        yield began, now_seconds


def _group_requests(own: Sequence[RecordedRequest]) -> Iterator[list[RecordedRequest]]:
    group: list[RecordedRequest] = []
    for request in own:
        if group and request.arrived_seconds - group[0].arrived_seconds > CHECK_SECONDS:
            yield group
            group = []
        group.append(request)
    if group:
        yield group


def check_one_by_one(incident: Incident, traffic: Sequence[RecordedRequest], event_log: EventLog) -> None:
    """Once headquarters counts as down, one request at a time finds out whether it is up, at growing intervals."""
    (scheduled,) = incident.scheduled_faults
    begins, ends = float(scheduled.window.begins), float(scheduled.window.ends)  # type: ignore[arg-type]  # never instants here
    for born, died in event_log.lives:
        first, last = max(begins, born), min(ends, died if died is not None else ends)
        met = sorted(
            (
                each
                for each in traffic
                if each.office_id in incident.office_ids and first <= each.arrived_seconds < last
            ),
            key=lambda request: request.arrived_seconds,
        )
        known_at = find_known_at(met)
        if known_at is not None:
            known_at += _get_notice_delay(scheduled.fault)
            probes = [each for each in met if each.arrived_seconds > known_at]
            _check_trials(probes, known_at, last, event_log)


def _get_notice_delay(fault: Fault) -> float:
    """Headquarters logs a connection that fails at once; its client waits for the time-out."""
    in_vain = isinstance(fault, BrokenConnection) and fault.cut is ConnectionFailure.NO_CONNECTION
    return ApiSettings.model_fields["connect_timeout_seconds"].default if in_vain else 0.0


def find_known_at(met: Sequence[RecordedRequest]) -> float | None:
    """When the last of `OUTAGE_OFFICES_MIN` offices got no response, none of them long ago."""
    silent_at: dict[str, float] = {}
    for request in sorted(met, key=lambda each: each.finished_seconds):
        now = request.finished_seconds
        silent_at[request.office_id] = now
        if sum(now - at < SILENCE_FORGOTTEN_SECONDS for at in silent_at.values()) >= OUTAGE_OFFICES_MIN:
            return now
    return None


def _check_trials(probes: Sequence[RecordedRequest], known_at: float, ends: float, event_log: EventLog) -> None:
    due_at = known_at
    for number, probe in enumerate(probes):
        due_at += PROBE_SECONDS[number] if number < len(PROBE_SECONDS) else PROBE_SECONDS_MAX
        if probe.arrived_seconds < due_at - JITTER_SECONDS:
            asked = [(round(each.arrived_seconds, 1), each.office_id) for each in probes[: number + 3]]
            event_log.add_complaint(
                ONE_BY_ONE,
                "",
                f"headquarters was down and known to be at {known_at:.1f} s, until {ends:.0f} s; trial {number + 1} was"
                f" due at {due_at:.1f} s: {asked[-20:]}",
            )
            return
    for first, second in pairwise(probes):
        free_at = min(first.finished_seconds, first.arrived_seconds + PROBE_SECONDS_MAX)
        if second.arrived_seconds < free_at - JITTER_SECONDS:
            event_log.add_complaint(ONE_BY_ONE, "", f"two trials in flight at {second.arrived_seconds:.1f} s")
