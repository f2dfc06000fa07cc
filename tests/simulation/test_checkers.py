"""A checker that cannot fail proves nothing: here each one meets what it must not accept."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import anyio
import pytest

from oddaemon.core.model import Balance, Cadence, Condition
from oddaemon.simulator.api.messages import Endpoint
from oddaemon.simulator.faults.faults import (
    EConnectorDown,
    FaultWindow,
    GatewayError,
    ScheduledFault,
)
from oddaemon.simulator.headquarters.traffic_log import RecordedRequest
from tests.golden import GoldenTexts
from tests.simulation.checkers import (
    confidentiality,
    isolation,
    outage_end,
    publication,
    rate_limits,
    resource_leaks,
    truth,
)
from tests.simulation.environment import SimulationEnvironment
from tests.simulation.event_log import Complaint, EventLog, ReportedCondition
from tests.simulation.incidents.incident import Impact, Incident, expect_status
from tests.simulation.incidents.request_incidents import HEADQUARTERS_DOWN
from tests.simulation.interference import assert_complaint, interfering
from tests.simulation.runner import PublishedResult, SimulationOutcome, run_scenario
from tests.simulation.scenario.handmade import DUE, ELM, EVENING, FIR, OAK, make_member, make_scenario


def test_a_quiet_scenario_has_no_complaint() -> None:
    outcome = run_scenario(make_scenario(members=(make_member(ELM), make_member(OAK, zone="America/New_York"))))
    assert outcome.complaints == ()
    assert [str(published.row.aging_date) for published in outcome.published[ELM]] == ["2026-05-11", "2026-05-13"]
    assert outcome.failures == {}


# --- truth ------------------------------------------------------------------------------------------------------------


async def _wait_for_snapshot(environment: SimulationEnvironment) -> None:
    await environment.world.wait_for_snapshots(1, ELM)


def _add_one_cent(stored: truth.StoredSnapshot) -> truth.StoredSnapshot:
    first, *others = stored.balances
    return replace(stored, balances=[first._replace(bal_total=first.bal_total + 1), *others])


ALTERED: list[Callable[[truth.StoredSnapshot], truth.StoredSnapshot]] = [
    _add_one_cent,
    lambda held: replace(held, balances=held.balances[1:]),
    lambda held: replace(held, balances=[*held.balances, Balance(1, 0, 0, 0, 0, 0, 0, 0, 100)]),
    lambda held: replace(held, balances=[]),
    lambda held: replace(held, row=replace(held.row, aging_date=held.row.aging_date + timedelta(days=1))),
    lambda held: replace(held, latest=held.earliest),
]


@pytest.mark.parametrize("alter", ALTERED)
def test_a_snapshot_that_is_not_true_is_found(alter: Callable[[truth.StoredSnapshot], truth.StoredSnapshot]) -> None:
    with _altered_snapshots(lambda published: [published[0], alter(published[1])]):
        assert assert_complaint(
            run_scenario(make_scenario()), truth.TRUTH, ELM, "was true at no instant after that run"
        )


def test_a_snapshot_of_another_office_is_found() -> None:
    others = run_scenario(make_scenario(members=(make_member(OAK),))).published[OAK][-1].balances
    with _altered_snapshots(lambda published: [published[0], replace(published[1], balances=others)]):
        assert assert_complaint(run_scenario(make_scenario()), truth.TRUTH, ELM)


def test_the_balances_of_the_previous_run_under_the_date_of_the_next_are_found() -> None:
    with _altered_snapshots(lambda published: [published[0], replace(published[1], balances=published[0].balances)]):
        assert assert_complaint(run_scenario(make_scenario()), truth.TRUTH, ELM)


def test_a_run_that_is_published_twice_is_found() -> None:
    with _altered_snapshots(lambda published: [*published, published[-1]]):
        assert assert_complaint(run_scenario(make_scenario()), truth.ONCE, ELM, "second one")


@contextmanager
def _altered_snapshots(alter: Callable[[list[truth.StoredSnapshot]], list[truth.StoredSnapshot]]) -> Iterator[None]:
    """The database holds something other than what was published."""
    original_check = truth.check

    def check_altered(
        practice: object, snapshots: list[truth.StoredSnapshot], *others: object, **named: object
    ) -> None:
        original_check(practice, alter(list(snapshots)), *others, **named)  # type: ignore[arg-type]  # passed on as received

    truth.check = check_altered  # type: ignore[assignment]  # the simulation is broken on purpose
    try:
        yield
    finally:
        truth.check = original_check


# --- delivery ---------------------------------------------------------------------------------------------------------


def test_a_run_that_is_never_published_is_found() -> None:
    async def lose(environment: SimulationEnvironment) -> None:
        environment.event_log.publications[ELM].clear()
        publication.check(environment)

    with interfering(lose):
        assert assert_complaint(run_scenario(make_scenario()), publication.OWED, ELM, "is not published")


def test_an_office_that_does_not_recover_is_found() -> None:
    async def repair_in_vain(environment: SimulationEnvironment) -> None:
        environment.headquarters.faults.clear = lambda: None  # type: ignore[method-assign]  # the simulation stays broken

    down = ScheduledFault(EConnectorDown(), frozenset({ELM}), FaultWindow(DUE))
    with interfering(repair_in_vain):
        outcome = run_scenario(make_scenario(_make_incident(down, "eConnector")))
    assert assert_complaint(outcome, publication.RECOVERED, ELM, "is not published", "unreachable")


@pytest.mark.parametrize(("text", "is_found"), [("eConnector", False), ("the moon", True)])
def test_a_wrongly_explained_incident_is_found(text: str, is_found: bool) -> None:
    down = ScheduledFault(EConnectorDown(), frozenset({ELM}), FaultWindow(DUE))
    outcome = run_scenario(make_scenario(_make_incident(down, text)))
    assert [complaint.checker for complaint in outcome.complaints] == [publication.EXPLAINED] * is_found


def test_an_incident_that_has_ended_excuses_nothing() -> None:
    """The office stays down; the incident excuses its failure only until three in the morning."""
    down = ScheduledFault(EConnectorDown(), frozenset({ELM}), FaultWindow(DUE))
    incident = replace(_make_incident(down, "eConnector"), ends=DUE + 3600.0)
    assert assert_complaint(run_scenario(make_scenario(incident)), publication.OWED, ELM, "unreachable")


def _make_incident(scheduled: ScheduledFault, text: str) -> Incident:
    begins = float(scheduled.window.begins)  # type: ignore[arg-type]  # seconds, in these scenarios
    expected_statuses = (expect_status(text, Condition.UNREACHABLE, Condition.BLOCKED),)
    return Incident(
        "down",
        tuple(scheduled.office_ids),
        begins,
        1e9,
        Impact.EVERYTHING,
        (scheduled,),
        expected_statuses=expected_statuses,
    )


# --- rate limits ------------------------------------------------------------------------------------------------------


def _make_request(at: float, office_id: str = ELM, seconds: float = 0.1, status: int | None = 200) -> RecordedRequest:
    return RecordedRequest(
        key=office_id,
        office_id=office_id,
        method="GET",
        kind=Endpoint.PREFERENCES,
        arrived=EVENING + timedelta(seconds=at),
        arrived_seconds=at,
        started_seconds=at,
        finished_seconds=at + seconds,
        status=status,
    )


def test_a_request_too_many_is_found() -> None:
    async def ask_twice(environment: SimulationEnvironment) -> None:
        environment.headquarters.traffic.append(replace(environment.headquarters.traffic[-1], spacing_seconds=1.0))

    with interfering(ask_twice):
        assert assert_complaint(run_scenario(make_scenario()), rate_limits.POLITE, "TwoInFlight")


def _make_event_log(*called: ReportedCondition) -> EventLog:
    event_log = EventLog(lambda: 100_000.0)
    event_log.reported_conditions[ELM] += called
    event_log.lives.append((0.0, None))
    return event_log


@pytest.mark.parametrize(("every_seconds", "is_found"), [(1800.0, False), (600.0, True), (60.0, True)])
def test_a_blocked_office_that_is_asked_often_is_found(every_seconds: float, is_found: bool) -> None:
    event_log = _make_event_log(ReportedCondition(0.0, Condition.BLOCKED), ReportedCondition(40_000.0, Condition.FRESH))
    own = [_make_request(number * every_seconds) for number in range(int(40_000 / every_seconds))]
    rate_limits.check_slow_probes(ELM, own, event_log, Cadence(), 50_000.0)
    assert [complaint.checker for complaint in event_log.complaints] == [rate_limits.SLOW_PROBES] * is_found


def test_a_busy_loop_within_one_probe_is_found(golden: GoldenTexts) -> None:
    event_log = _make_event_log(ReportedCondition(0.0, Condition.BLOCKED))
    own = [_make_request(1000.0 + number) for number in range(250)]
    rate_limits.check_slow_probes(ELM, own, event_log, Cadence(), 50_000.0)
    golden.check(event_log.complaints[0].sentence)


HEADQUARTERS_INCIDENT = Incident(
    HEADQUARTERS_DOWN,
    (ELM, OAK, FIR),
    0.0,
    4000.0,
    Impact.EVERYTHING,
    (ScheduledFault(GatewayError(503), frozenset({ELM, OAK, FIR}), FaultWindow(0.0, 4000.0)),),
)


@pytest.mark.parametrize(
    ("probes", "is_found"),
    [
        ([5.0, 15.0, *(35.0 + 20 * number for number in range(180))], False),
        ([5.0 + 10 * number for number in range(380)], True),
        ([5.0, 5.1, 5.2, 5.3, 5.4, 5.5] + [200.0 + 60 * number for number in range(61)], True),
    ],
)
def test_an_outage_that_all_offices_probe_is_found(probes: list[float], is_found: bool) -> None:
    first = [_make_request(10.0 + number, office, status=503) for number, office in enumerate((ELM, OAK, FIR))]
    event_log = _make_event_log()
    rate_limits.check_one_by_one(
        HEADQUARTERS_INCIDENT, [*first, *(_make_request(20.0 + at, OAK, status=503) for at in probes)], event_log
    )
    assert [complaint.checker for complaint in event_log.complaints] == [rate_limits.ONE_BY_ONE] * is_found


def test_two_probes_at_once_are_found() -> None:
    first = [_make_request(10.0 + number, office, status=503) for number, office in enumerate((ELM, OAK, FIR))]
    event_log = _make_event_log()
    rate_limits.check_one_by_one(
        HEADQUARTERS_INCIDENT, [*first, _make_request(100.0, ELM, 70.0), _make_request(117.0, OAK, 1.0)], event_log
    )
    assert event_log.complaints[0].sentence.startswith("two trials")


@pytest.mark.parametrize(("asked_at", "is_found"), [(4059.0, False), (4061.0, True), (None, True)])
def test_an_office_that_is_not_asked_again_after_an_outage_is_found(asked_at: float | None, *, is_found: bool) -> None:
    first = [_make_request(10.0 + number, office, status=503) for number, office in enumerate((ELM, OAK, FIR))]
    again = [] if asked_at is None else [_make_request(asked_at, ELM)]
    event_log = _make_event_log()
    (outage,) = outage_end.find_outages(HEADQUARTERS_INCIDENT, [*first, *again], event_log)
    assert outage.affected == {ELM, OAK, FIR}
    outage_end.check_office(ELM, outage, [*first, *again], event_log)
    assert [complaint.checker for complaint in event_log.complaints] == [outage_end.ASKED_AGAIN] * is_found


# --- confidentiality --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "leaked_text"),
    [
        ("a key", "planted-customer-key-office-1"),
        ("a row of balances", "433000001,0,1,2,3"),
        ("a PatNum", "PatNum {pat_num} is odd"),
        ("an amount", "the total is {cents} cents"),
        ("an amount", "he owes {dollars}"),
    ],
)
def test_leaked_data_is_found(what: str, leaked_text: str) -> None:
    async def leak(environment: SimulationEnvironment) -> None:
        balance = max(environment.practices[ELM].balances.get_true_balances(), key=lambda each: each.bal_total)
        dollars = f"{balance.bal_total / 100:.2f}"
        text = leaked_text.format(pat_num=balance.pat_num, cents=balance.bal_total, dollars=dollars)
        environment.world.lines.append({"event": "oddity", "message": text})
        confidentiality.check(environment)

    with interfering(leak):
        assert assert_complaint(run_scenario(make_scenario()), confidentiality.CONFIDENTIAL, what)


# --- resource leaks ---------------------------------------------------------------------------------------------------


def test_a_file_that_stays_open_is_found(tmp_path: Path) -> None:
    event_log = EventLog(lambda: 0.0)

    async def leave() -> None:
        before = resource_leaks.ProcessResources.capture()
        with (tmp_path / "left").open("w"):
            resource_leaks.check(before, resource_leaks.ProcessResources.capture(), [], event_log)

    anyio.run(leave)
    assert "left" in event_log.complaints[0].sentence


def test_a_task_that_stays_is_found() -> None:
    event_log = EventLog(lambda: 0.0)

    async def leave() -> None:
        before = resource_leaks.ProcessResources.capture()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.sleep_forever, name="forgotten")
            resource_leaks.check(before, resource_leaks.ProcessResources.capture(), [], event_log)
            tasks.cancel_scope.cancel()

    anyio.run(leave)
    assert "forgotten" in event_log.complaints[0].sentence


# --- isolation --------------------------------------------------------------------------------------------------------


def _delay(result: PublishedResult) -> PublishedResult:
    return replace(result, published_seconds=result.published_seconds + 90)


def _get_results(outcome: SimulationOutcome) -> tuple[PublishedResult, ...]:
    return outcome.published[ELM]


CHANGED: list[tuple[str, Callable[[tuple[PublishedResult, ...]], tuple[PublishedResult, ...]]]] = [
    ("published", lambda published: published[:1]),
    (
        "came +90.0 s later",
        lambda published: (_delay(published[0]), *published[1:]),
    ),
    ("has other balances", lambda published: (replace(published[0], balances=published[1].balances), *published[1:])),
]


def test_an_office_that_another_one_delays_is_found() -> None:
    scenario = replace(make_scenario(members=(make_member(ELM), make_member(OAK))), failing_office=OAK)
    outcome = run_scenario(scenario)
    assert list(isolation.check(outcome)) == []
    for text, change in CHANGED:
        changed = replace(outcome, published={**outcome.published, ELM: change(_get_results(outcome))})
        (found,) = isolation.check(changed)
        assert isinstance(found, Complaint)
        assert text in found.sentence


def test_dates_of_the_two_worlds_are_compared_as_they_are() -> None:
    outcome = run_scenario(make_scenario())
    assert [message.row.aging_date for message in _get_results(outcome)] == [date(2026, 5, 11), date(2026, 5, 13)]
