"""What an office does when something fails: who is blamed, how long it waits, and how it comes back."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from oddaemon.core.failures.failure import RULES, Failure, FailureKind, Recovery
from oddaemon.core.model import AgingMark, Cadence, Condition, OfficeSpec, Owner, Reader
from oddaemon.core.office.evidence import refine_failure
from oddaemon.core.office.machine import REREADS_MAX, make_initial_state, next_action
from oddaemon.core.office.state import Action, MeasureClock, Probe, Publish, Pull, Started, Survey, Wait
from oddaemon.core.snapshot.packing import FIRST_PACKING, Packing
from tests.core.builders import (
    JITTER,
    SPEC,
    OfficeRun,
    make_failed,
    make_instant,
    make_preferences,
    make_pulled,
    make_snapshot,
    make_spec,
)

EVENING = make_instant("2026-05-04 20:00")
C = Condition


def start_survey(wanted: OfficeSpec = SPEC) -> OfficeRun:
    night = OfficeRun(make_initial_state(EVENING), EVENING, wanted)
    night.observe(Started())
    return night


def start_pull(wanted: OfficeSpec = SPEC) -> OfficeRun:
    """An office about to be read for the first time."""
    night = start_survey(wanted)
    night.answer_survey()
    assert isinstance(night.action, Pull)
    return night


def get_wait_seconds(night: OfficeRun) -> float:
    assert isinstance(night.action, Wait)
    return (night.action.until - night.now).total_seconds()


def fail_statement(night: OfficeRun, kind: FailureKind) -> Action:
    """The statement fails, and after the wait a GET is answered."""
    night.fail(kind, wait=True)
    return night.answer_probe("2026-05-04")


# --- trouble that passes ----------------------------------------------------------------------------------------------


def test_an_econnector_that_is_down_is_asked_ever_more_rarely_until_it_is_back() -> None:
    night = start_survey()
    waits = []
    for _ in range(12):
        night.fail(FailureKind.ECONNECTOR_DOWN, "The office's eConnector is not running.")
        waits.append(get_wait_seconds(night))
        night.sleep_and_wake()
    assert waits[:4] == [3.75, 7.5, 15.0, 30.0]
    assert waits[-1] == 0.75 * Cadence().backoff_max_seconds
    status = night.state.standing
    assert (status.condition, status.owner, status.since) == (C.UNREACHABLE, Owner.OFFICE, EVENING)
    assert status.reason == "The office's eConnector is not running: The office's eConnector is not running."

    night.answer_survey()
    assert night.get_condition() is C.PULLING
    night.answer_pull()
    assert night.get_condition() is C.FRESH
    night.sleep_and_wake()
    night.fail(FailureKind.ECONNECTOR_DOWN)
    assert get_wait_seconds(night) == 3.75


@pytest.mark.parametrize("kind", [kind for kind in FailureKind if RULES[kind].recovery is Recovery.RETRY])
@pytest.mark.parametrize("reader", Reader)
def test_a_transient_failure_leads_back_to_the_same_pull(kind: FailureKind, reader: Reader) -> None:
    night = start_pull(make_spec(reader=reader))
    wanted = night.action
    night.fail(kind, wait=True)
    if night.action != wanted:
        assert night.action == Probe()
        night.answer_probe("2026-05-04")
    assert night.action == wanted


def test_a_snapshot_that_could_not_be_stored_is_pulled_again() -> None:
    night = start_pull()
    before = night.state
    _, action = next_action(
        before, make_pulled(make_snapshot(date(2026, 5, 4)), FIRST_PACKING), night.now, SPEC, JITTER
    )
    assert isinstance(action, Publish)
    night.fail(FailureKind.STORE, "disk full")
    assert night.state.published is None
    assert night.state.standing.owner is Owner.US
    assert isinstance(night.sleep_and_wake(), Pull)


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [(30.0, 30.0), (None, 3.75), (0.0, 3.75), (-1.0, 3.75), (86_400.0, 21_600.0), (float("nan"), 3.75)],
)
def test_a_throttled_office_waits_as_long_as_requested_within_reason(asked: float | None, seconds: float) -> None:
    for night in (start_survey(), start_pull()):
        wanted = night.action
        night.observe(make_failed(FailureKind.THROTTLED, "", asked))
        assert get_wait_seconds(night) == seconds
        assert night.sleep_and_wake() == wanted


def test_an_unreachable_office_never_forgets_its_back_off_over_a_restart() -> None:
    night = start_survey()
    for _ in range(8):
        night.fail(FailureKind.CONNECT, wait=True)
    waiting = night.fail(FailureKind.CONNECT)
    for wanted in (SPEC, make_spec(include="debts")):
        night.spec = wanted
        assert night.observe(Started()) == waiting


def test_other_guarantors_wanted_during_a_failure_do_not_cut_the_back_off_short() -> None:
    night = start_pull()
    night.answer_pull()
    night.sleep_and_wake()
    for _ in range(8):
        night.fail(FailureKind.CONNECT, wait=True)
    night.fail(FailureKind.CONNECT)
    until = night.state.not_before
    night.spec = make_spec(clinics=(1,))
    assert night.observe(Started()) == Wait(until)
    assert night.sleep_and_wake() == Survey()
    assert isinstance(night.answer_survey(), Pull)


# --- failures that only a human can fix ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [kind for kind in FailureKind if RULES[kind].recovery is Recovery.BLOCK])
def test_who_is_blocked_is_surveyed_slowly_and_comes_back_by_itself(kind: FailureKind) -> None:
    night = start_survey()
    for _ in range(10):
        asked_at = night.now
        night.fail(kind, "why")
        status = night.state.standing
        assert (status.condition, status.since) == (C.BLOCKED, EVENING)
        rule = refine_failure(make_initial_state(EVENING), Failure(kind)).rule
        assert (status.owner, status.advice) == (rule.owner, rule.advice)
        assert night.sleep_and_wake() == Survey()
        assert night.now - asked_at <= timedelta(seconds=Cadence().blocked_probe_seconds)
    assert night.now - EVENING > 8 * timedelta(seconds=Cadence().blocked_probe_seconds)
    night.answer_survey()
    assert night.get_condition() is C.BLOCKED
    night.answer_pull()
    assert night.get_condition() is C.FRESH


def test_a_start_asks_at_once_who_is_blocked_and_forgets_no_back_off() -> None:
    blocked, backing_off = start_survey(), start_survey()
    blocked.fail(FailureKind.KEY_REJECTED)
    backing_off.fail(FailureKind.TIMEOUT)
    soon = EVENING + timedelta(seconds=1)
    assert next_action(blocked.state, Started(), soon, SPEC, JITTER)[1] == Survey()
    assert isinstance(next_action(backing_off.state, Started(), soon, SPEC, JITTER)[1], Wait)


@pytest.mark.parametrize("reader", Reader)
def test_an_unblocked_office_is_read_again_with_the_configured_reader(reader: Reader) -> None:
    night = start_pull(make_spec(reader=reader))
    night.state = replace(night.state, reader=Reader.PAGES)
    night.fail(FailureKind.NOT_FOUND, wait=True)
    action = night.answer_survey()
    assert isinstance(action, Pull)
    assert action.reader is (Reader.STATEMENT if reader is Reader.AUTO else Reader.PAGES)


@pytest.mark.parametrize("kind", FailureKind)
def test_a_get_never_leads_to_a_pull_by_failing(kind: FailureKind) -> None:
    probing = start_pull()
    probing.answer_pull()
    probing.sleep_and_wake()
    for night in (start_survey(), probing):
        wanted, reader = night.action, night.state.reader
        night.fail(kind)
        assert get_wait_seconds(night) > 0
        assert night.sleep_and_wake() in {wanted, Survey()}
        assert night.state.reader is reader


def test_a_rejected_query_blocks_no_office_before_a_get_was_rejected_too() -> None:
    night = start_pull()
    assert night.fail(FailureKind.UNKNOWN_401, "Unauthorized") == Probe()
    assert night.get_condition() is C.PULLING
    night.fail(FailureKind.KEY_REJECTED)
    assert night.get_condition() is C.BLOCKED
    assert night.sleep_and_wake() == Survey()


def test_a_refused_statement_behind_an_answered_get_is_read_in_pages() -> None:
    night = start_pull()
    night.fail(FailureKind.UNKNOWN_401, "Unauthorized")
    action = night.answer_probe("2026-05-04")
    assert isinstance(action, Pull)
    assert action.reader is Reader.PAGES
    assert "in pages, because the API did not allow the query: Unauthorized" in night.state.standing.reason
    night.answer_pull()
    assert (night.get_condition(), night.state.reader) == (C.FRESH, Reader.PAGES)


@pytest.mark.parametrize("reader", Reader)
def test_a_key_that_may_read_preferences_and_nothing_else_lacks_a_permission(reader: Reader) -> None:
    night = start_pull(make_spec(reader=reader))
    for _ in range(2 if reader is Reader.AUTO else 1):
        assert night.fail(FailureKind.UNKNOWN_401) == Probe()
        night.answer_probe("2026-05-04")
    status = night.state.standing
    assert (status.condition, status.owner) == (C.BLOCKED, Owner.US)
    assert status.advice == RULES[FailureKind.PERMISSION_MISSING].advice
    assert get_wait_seconds(night) > 0


def test_a_key_without_queries_cannot_measure_the_clock_and_is_never_read() -> None:
    night = start_survey(make_spec(zone=None))
    assert night.answer_survey() == MeasureClock()
    assert night.fail(FailureKind.UNKNOWN_401) == Probe()
    night.answer_probe("2026-05-04")
    assert night.get_condition() is C.BLOCKED
    assert night.state.standing.advice == RULES[FailureKind.PERMISSION_MISSING].advice
    assert night.sleep_and_wake() == Survey()


@pytest.mark.parametrize(
    "kind", [FailureKind.SQL_ERROR, FailureKind.OVERSIZED, FailureKind.COLUMN_TRUNCATED, FailureKind.INCOMPLETE]
)
def test_a_clock_that_cannot_be_measured_blocks(kind: FailureKind) -> None:
    night = start_survey(make_spec(zone=None))
    night.answer_survey()
    night.fail(kind)
    assert night.get_condition() is C.BLOCKED
    assert night.state.standing.owner is RULES[kind].owner


def test_a_clock_that_answers_late_is_asked_again() -> None:
    night = start_survey(make_spec(zone=None))
    night.answer_survey()
    assert night.fail(FailureKind.TIMEOUT, wait=True) == MeasureClock()


# --- the statement or the office --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [FailureKind.SQL_ERROR, FailureKind.TOO_SPARSE, FailureKind.OVERSIZED])
def test_a_closed_statement_turns_to_pages_and_is_remembered(kind: FailureKind) -> None:
    night = start_pull()
    action = night.fail(kind, "why")
    assert isinstance(action, Pull)
    assert action.reader is Reader.PAGES
    night.answer_pull()
    night.advance(days=1)
    night.wake()
    action = night.answer_preferences("2026-05-05")
    assert isinstance(action, Pull)
    assert action.reader is Reader.PAGES

    night.fail(kind)
    assert night.get_condition() is C.BLOCKED
    assert night.state.standing.advice == RULES[kind].advice


@pytest.mark.parametrize("kind", [FailureKind.TOO_SPARSE, FailureKind.COLUMN_TRUNCATED])
def test_a_statement_that_the_configuration_insists_on_is_blocked_with_the_way_out(kind: FailureKind) -> None:
    night = start_pull(make_spec(reader=Reader.STATEMENT))
    night.state = replace(night.state, packing=Packing(1, 128))
    night.fail(kind)
    status = night.state.standing
    assert (status.condition, status.owner) == (C.BLOCKED, Owner.US)
    assert 'reader = "auto"' in status.advice
    assert night.state.reader is Reader.STATEMENT


@pytest.mark.parametrize(
    "kind",
    [
        FailureKind.TIMEOUT,
        FailureKind.GATEWAY_TIMEOUT,
        FailureKind.SERVER_ERROR,
        FailureKind.MALFORMED,
        FailureKind.CONNECTION_LOST,
        FailureKind.UNKNOWN_400,
        FailureKind.UNEXPECTED_STATUS,
    ],
)
def test_a_statement_that_breaks_off_twice_is_replaced_by_pages(kind: FailureKind) -> None:
    night = start_pull()
    action = fail_statement(night, kind)
    assert isinstance(action, Pull)
    assert action.reader is Reader.STATEMENT
    action = fail_statement(night, kind)
    assert isinstance(action, Pull)
    assert action.reader is Reader.PAGES
    night.answer_pull()
    assert (night.get_condition(), night.state.statement_failures) == (C.FRESH, 0)


@pytest.mark.parametrize(
    "kind", [FailureKind.TIMEOUT, FailureKind.SERVER_ERROR, FailureKind.GATEWAY_TIMEOUT, FailureKind.CONNECTION_LOST]
)
@pytest.mark.parametrize("good_luck", range(6))
def test_an_outage_of_headquarters_leaves_the_statement_in_use(kind: FailureKind, good_luck: int) -> None:
    night = start_pull()
    for request in range(12):
        if request == good_luck and isinstance(night.action, Probe):
            night.answer_probe("2026-05-04")
        else:
            night.fail(kind, wait=True)
    assert night.get_condition() is C.UNREACHABLE
    while not isinstance(night.action, Pull):
        night.answer_preferences("2026-05-04")
    assert night.action.reader is Reader.STATEMENT


def test_another_failure_between_two_time_outs_keeps_the_statement() -> None:
    night = start_pull()
    fail_statement(night, FailureKind.TIMEOUT)
    night.fail(FailureKind.ECONNECTOR_DOWN, wait=True)
    action = fail_statement(night, FailureKind.TIMEOUT)
    assert isinstance(action, Pull)
    assert action.reader is Reader.STATEMENT


def test_a_throttled_get_says_nothing_about_the_statement() -> None:
    night = start_pull()
    night.fail(FailureKind.TIMEOUT, wait=True)
    night.fail(FailureKind.THROTTLED, wait=True)
    action = night.answer_probe("2026-05-04")
    assert isinstance(action, Pull)
    assert action.reader is Reader.STATEMENT


@pytest.mark.parametrize("confirmed", [FailureKind.UNKNOWN_401, FailureKind.TIMEOUT])
def test_a_get_that_clears_the_office_and_finds_aging_at_work_lets_nothing_be_pulled(confirmed: FailureKind) -> None:
    night = start_pull()
    if confirmed is FailureKind.TIMEOUT:
        fail_statement(night, FailureKind.TIMEOUT)
    night.fail(confirmed)
    if isinstance(night.action, Wait):
        night.sleep_and_wake()
    night.answer_probe("2026-05-04", "2026-05-04 20:00:00")
    assert isinstance(night.action, Wait)
    assert night.get_condition() is C.AGING
    night.sleep_and_wake()
    action = night.answer_probe("2026-05-04")
    assert isinstance(action, Pull)
    assert action.reader is Reader.PAGES
    assert action.expected == AgingMark("2026-05-04", "")


def test_pages_that_break_off_are_gone_on_with() -> None:
    night = start_pull(make_spec(reader=Reader.PAGES))
    wanted = night.action
    for _ in range(5):
        assert night.fail(FailureKind.TIMEOUT, wait=True) == wanted


# --- what was read is not good enough ---------------------------------------------------------------------------------


def test_a_truncated_column_is_read_narrower_later_and_at_last_in_pages() -> None:
    night = start_pull()
    shapes, waits = [], []
    while night.state.reader is Reader.STATEMENT:
        assert isinstance(night.action, Pull)
        shapes.append(night.action.packing.lane_span)
        if isinstance(night.fail(FailureKind.COLUMN_TRUNCATED, "lane 3 of group 4 is broken"), Wait):
            waits.append(get_wait_seconds(night))
            assert night.get_condition() is C.PULLING
            assert "lane 3 of group 4" in night.state.standing.reason
            night.sleep_and_wake()
    assert shapes == [12, 6, 3, 1]
    assert waits == [3.75, 7.5, 15.0]


def test_what_was_narrowed_is_remembered() -> None:
    night = start_pull()
    night.fail(FailureKind.COLUMN_TRUNCATED, wait=True)
    assert isinstance(night.action, Pull)
    night.answer_pull(night.action.packing)
    assert night.state.packing == Packing(6, 128)


def test_balances_that_do_not_add_up_are_read_again_a_few_times_and_then_suspect() -> None:
    night = start_pull()
    invalid = "5 guarantors were read where the office counts 6"
    for _ in range(REREADS_MAX):
        assert isinstance(night.fail(FailureKind.INCOMPLETE, invalid, wait=True), Pull)
        assert night.get_condition() is C.PULLING
        assert invalid in night.state.standing.reason
    night.fail(FailureKind.INCOMPLETE, invalid)
    status = night.state.standing
    assert (status.condition, status.owner, bool(status.advice)) == (C.SUSPECT, Owner.VENDOR, True)
    assert f"{invalid}. 4 reads in a row" in status.reason
    assert get_wait_seconds(night) == Cadence().backoff_max_seconds
    since = night.now
    night.sleep_and_wake()
    night.fail(FailureKind.INCOMPLETE, invalid, wait=True)
    assert (night.get_condition(), night.state.standing.since) == (C.SUSPECT, since)
    assert night.state.published is None
    night.answer_pull()
    assert (night.get_condition(), night.state.rereads) == (C.FRESH, 0)


def test_a_column_cut_within_its_last_number_is_read_narrower() -> None:
    night = start_pull()
    spans = []
    for _ in range(REREADS_MAX):
        assert isinstance(night.action, Pull)
        spans.append(night.action.packing.lane_span)
        night.fail(FailureKind.INCOMPLETE, wait=True)
    assert spans == [12, 6, 3]
    night.state = replace(night.state, packing=Packing(1, 128))
    night.fail(FailureKind.INCOMPLETE)
    assert night.state.packing == Packing(1, 128)


def test_aging_that_runs_into_pulls_makes_no_office_suspect() -> None:
    night = start_pull()
    waits = []
    for _ in range(REREADS_MAX + 4):
        night.fail(FailureKind.AGING_CHANGED, "a run of aging began or ended")
        assert night.get_condition() is C.AGING
        waits.append(get_wait_seconds(night))
        assert night.sleep_and_wake() == Probe()
        assert isinstance(night.answer_probe("2026-05-04"), Pull)
    assert waits[:3] == [3.75, 7.5, 15.0]
    assert waits == sorted(waits)
    night.fail(FailureKind.INCOMPLETE)
    assert night.get_condition() is C.PULLING
    night.sleep_and_wake()
    night.answer_pull()
    assert (night.state.moves, night.state.rereads) == (0, 0)


def test_a_run_that_began_during_a_pull_is_waited_out_and_its_balances_pulled() -> None:
    night = start_survey()
    assert isinstance(night.answer_survey(make_preferences("2026-05-03")), Pull)
    night.fail(FailureKind.AGING_CHANGED, wait=True)
    night.answer_probe("2026-05-03", "2026-05-04 20:00:01")
    assert "Aging has been running since 20:00" in night.state.standing.reason
    night.sleep_and_wake()
    action = night.answer_probe("2026-05-04")
    assert isinstance(action, Pull)
    assert action.aging_date == date(2026, 5, 4)


def test_a_deadline_outlives_a_pull_that_fails() -> None:
    night = start_pull()
    night.answer_pull()
    night.now = make_instant("2026-05-05 02:30")
    night.wake()
    night.answer_preferences("2026-05-04")
    night.sleep_and_wake()
    assert isinstance(night.answer_preferences("2026-05-05"), Pull)
    for kind in (FailureKind.ECONNECTOR_DOWN, FailureKind.INCOMPLETE, FailureKind.AGING_CHANGED):
        night.fail(kind)
        assert night.state.standing.late_at == make_instant("2026-05-05 07:00")
        night.sleep_and_wake()
    assert isinstance(night.action, Probe)
    night.now = make_instant("2026-05-05 07:01")
    assert night.get_condition() is C.LATE
