"""What left this machine: never too much, never too soon, and the less the more is wrong.

All of it is read off headquarters' own log, whose seconds no step of a clock disturbs.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from oddaemon.core.model import Cadence, Condition
from oddaemon.settings import ApiSettings
from oddaemon.simulator.api.messages import ConnectionFailure
from oddaemon.simulator.faults.faults import BrokenConnection, Fault
from oddaemon.simulator.headquarters.traffic_log import RecordedRequest
from tests.simulation.chronicle import Chronicle
from tests.simulation.request_troubles import HEADQUARTERS_DOWN
from tests.simulation.stage import Stage
from tests.simulation.troubles import Trouble

POLITE = "polite"
SLOW_PROBES = "slow probes"
ONE_BY_ONE = "one by one"

LOOK_SECONDS = 300.0
"""All requests of one look at an office that is blocked: its preferences, perhaps a statement, pages, a GET again."""
LOOK_REQUESTS_MAX = 80
OUTAGE_OFFICES_MIN = 3
"""So many offices meet silence before headquarters counts as down."""
SILENCE_FORGOTTEN_SECONDS = 600.0
TRIAL_SECONDS = (5.0, 10.0, 20.0, 40.0)
"""Before the first trials; all later ones are a minute apart."""
TRIAL_SECONDS_MAX = 60.0
JITTER_SECONDS = 0.5


def judge(stage: Stage) -> None:
    """Hold all traffic of a run against what was agreed."""
    for violation in stage.world.violations():
        stage.chronicle.find(POLITE, "", violation)
    for office_id in stage.practices:
        own = [each for each in stage.headquarters.traffic if each.office_id == office_id]
        own.sort(key=lambda exchange: exchange.arrived_seconds)
        slow_probes(office_id, own, stage.chronicle, stage.world.settings.cadence, stage.seconds)
    for trouble in stage.story.troubles:
        if trouble.kind == HEADQUARTERS_DOWN:
            one_by_one(trouble, stage.headquarters.traffic, stage.chronicle)


def slow_probes(
    office_id: str, own: Sequence[RecordedRequest], chronicle: Chronicle, cadence: Cadence, now_seconds: float
) -> None:
    """While an office is blocked it is looked at no more often than the slow probes allow."""
    for begins, ends in _blocked(chronicle, office_id, now_seconds):
        looks = list(_looks([each for each in own if begins + LOOK_SECONDS <= each.arrived_seconds < ends]))
        nights, steps = (ends - begins) / 86_400, sum(begins <= at < ends for at in chronicle.clock_steps)
        reloads = sum(begins <= wished.seconds < ends for wished in chronicle.wishes[office_id])
        # A night's due time is looked at too, as a run by the clock would end what only a human seems to end.
        allowed = (ends - begins) / cadence.blocked_probe_seconds + 2 + 2 * nights + steps + reloads
        if len(looks) > allowed:
            chronicle.find(
                SLOW_PROBES,
                office_id,
                f"blocked from {begins:.0f} s to {ends:.0f} s and looked at {len(looks)} times where {allowed:.1f}"
                f" are slow: {[round(look[0].arrived_seconds) for look in looks]}",
            )
        for look in looks:
            if len(look) > LOOK_REQUESTS_MAX:
                at = look[0].arrived_seconds
                chronicle.find(SLOW_PROBES, office_id, f"{len(look)} requests in one look at {at:.0f} s")


def _blocked(chronicle: Chronicle, office_id: str, now_seconds: float) -> Iterator[tuple[float, float]]:
    called = chronicle.called[office_id]
    began: float | None = None
    for each in called:
        if each.condition is Condition.BLOCKED and began is None:
            began = each.seconds
        elif each.condition is not Condition.BLOCKED and began is not None:
            yield began, each.seconds
            began = None
    if began is not None:
        yield began, now_seconds


def _looks(own: Sequence[RecordedRequest]) -> Iterator[list[RecordedRequest]]:
    look: list[RecordedRequest] = []
    for exchange in own:
        if look and exchange.arrived_seconds - look[0].arrived_seconds > LOOK_SECONDS:
            yield look
            look = []
        look.append(exchange)
    if look:
        yield look


def one_by_one(outage: Trouble, traffic: Sequence[RecordedRequest], chronicle: Chronicle) -> None:
    """Once headquarters counts as down, one request at a time finds out when it is up, more and more rarely."""
    (planted,) = outage.planted
    begins, ends = float(planted.window.begins), float(planted.window.ends)  # type: ignore[arg-type]  # never instants here
    for born, died in chronicle.lives:
        first, last = max(begins, born), min(ends, died if died is not None else ends)
        met = sorted(
            (each for each in traffic if each.office_id in outage.office_ids and first <= each.arrived_seconds < last),
            key=lambda exchange: exchange.arrived_seconds,
        )
        known_at = _known_at(met)
        if known_at is not None:
            known_at += _noticed_after_seconds(planted.fault)
            trials = [each for each in met if each.arrived_seconds > known_at]
            _hold_against_trials(trials, known_at, last, chronicle)


def _noticed_after_seconds(fault: Fault) -> float:
    """Headquarters logs a connection that never came about at once; its client waits for it."""
    in_vain = isinstance(fault, BrokenConnection) and fault.cut is ConnectionFailure.NO_CONNECTION
    return ApiSettings.model_fields["connect_timeout_seconds"].default if in_vain else 0.0


def _known_at(met: Sequence[RecordedRequest]) -> float | None:
    """When silence towards so many offices was complete, and none of it long ago."""
    silent_at: dict[str, float] = {}
    for exchange in sorted(met, key=lambda each: each.finished_seconds):
        now = exchange.finished_seconds
        silent_at[exchange.office_id] = now
        if sum(now - at < SILENCE_FORGOTTEN_SECONDS for at in silent_at.values()) >= OUTAGE_OFFICES_MIN:
            return now
    return None


def _hold_against_trials(trials: Sequence[RecordedRequest], known_at: float, ends: float, chronicle: Chronicle) -> None:
    due_at = known_at
    for number, trial in enumerate(trials):
        due_at += TRIAL_SECONDS[number] if number < len(TRIAL_SECONDS) else TRIAL_SECONDS_MAX
        if trial.arrived_seconds < due_at - JITTER_SECONDS:
            asked = [(round(each.arrived_seconds, 1), each.office_id) for each in trials[: number + 3]]
            chronicle.find(
                ONE_BY_ONE,
                "",
                f"headquarters was down and known to be at {known_at:.1f} s, until {ends:.0f} s; trial {number + 1} was"
                f" due at {due_at:.1f} s: {asked[-20:]}",
            )
            return
    for first, second in pairwise(trials):
        if second.arrived_seconds < first.finished_seconds - JITTER_SECONDS:
            chronicle.find(ONE_BY_ONE, "", f"two trials in flight at {second.arrived_seconds:.1f} s")
