"""How an office is read after a pull that failed: with the statement, narrower, or in pages."""

from dataclasses import replace
from datetime import date

import pytest

from oddaemon.core.backoff import REREADS_MAX, STATEMENT_PAUSE
from oddaemon.core.failures.failure import FailureKind
from oddaemon.core.failures.origin import STATEMENT_TIMEOUTS
from oddaemon.core.model import AgingMark, Cadence, Condition, Owner, Reader
from oddaemon.core.office.state import Action, OfficeCommand, Probe, Pull, Started, TurnCame, Wait
from oddaemon.core.snapshot.packing import Packing
from tests.core.builders import (
    OfficeRun,
    make_instant,
    make_preferences,
    make_spec,
    start_office,
    start_pull,
)
from tests.golden import GoldenTexts

C = Condition


def fail_statement(night: OfficeRun, kind: FailureKind) -> Action:
    """The statement fails, and after the wait a GET is answered."""
    night.fail(kind, wait=True)
    return night.answer_probe("2026-05-04")


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
    assert night.state.standing.advice == kind.advice


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


@pytest.mark.parametrize("kind", sorted(STATEMENT_TIMEOUTS))
def test_a_statement_without_an_answer_in_time_is_never_repeated_and_given_time_to_end(kind: FailureKind) -> None:
    night = start_pull()
    failed_at = night.now
    night.fail(kind, wait=True)
    assert isinstance(night.answer_probe("2026-05-04"), Wait)
    action = night.sleep_and_wake()
    assert isinstance(action, Pull)
    assert (action.reader, night.now) == (Reader.PAGES, failed_at + STATEMENT_PAUSE)


@pytest.mark.parametrize("kind", sorted(STATEMENT_TIMEOUTS))
@pytest.mark.parametrize("reader", [Reader.STATEMENT, Reader.PAGES, Reader.REPORT])
def test_no_reader_asks_again_while_the_office_may_still_compute_its_last_question(
    kind: FailureKind, reader: Reader
) -> None:
    night = start_pull(make_spec(reader=reader, cadence=Cadence(backoff_base_seconds=0.1)))
    failed_at = night.now
    assert isinstance(night.fail(kind, wait=True), Pull)
    assert night.now >= failed_at + STATEMENT_PAUSE


def test_neither_a_command_nor_a_restart_nor_the_turn_of_the_api_cuts_the_pause_of_a_statement_short() -> None:
    night = start_pull(make_spec(reader=Reader.PAGES))
    failed_at = night.now
    night.fail(FailureKind.TIMEOUT)
    for observation in (OfficeCommand.SYNC, Started(), TurnCame()):
        action = night.observe(observation)
        assert isinstance(action, Wait)
        assert action.until == failed_at + STATEMENT_PAUSE


def test_a_clock_that_was_set_back_makes_the_pause_of_a_statement_no_longer() -> None:
    night = start_pull(make_spec(reader=Reader.PAGES))
    night.fail(FailureKind.TIMEOUT)
    night.advance(days=-1)
    action = night.wake()
    assert isinstance(action, Wait)
    action = night.observe(OfficeCommand.SYNC)
    assert isinstance(action, Wait)
    assert action.until == night.now + STATEMENT_PAUSE


@pytest.mark.parametrize("kind", sorted(STATEMENT_TIMEOUTS))
def test_an_outage_in_which_everything_times_out_leaves_the_statement_in_use(kind: FailureKind) -> None:
    night = start_pull()
    for _ in range(12):
        night.fail(kind, wait=True)
    assert isinstance(night.action, Probe)
    night.answer_probe("2026-05-04")
    action = night.sleep_and_wake() if isinstance(night.action, Wait) else night.action
    assert isinstance(action, Pull)
    assert action.reader is Reader.STATEMENT


@pytest.mark.parametrize("kind", [FailureKind.SERVER_ERROR, FailureKind.CONNECTION_LOST])
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


def test_another_failure_between_two_lost_connections_keeps_the_statement() -> None:
    night = start_pull()
    fail_statement(night, FailureKind.CONNECTION_LOST)
    night.fail(FailureKind.ECONNECTOR_DOWN, wait=True)
    action = fail_statement(night, FailureKind.CONNECTION_LOST)
    assert isinstance(action, Pull)
    assert action.reader is Reader.STATEMENT


def test_a_throttled_get_says_nothing_about_the_statement() -> None:
    night = start_pull()
    night.fail(FailureKind.CONNECTION_LOST, wait=True)
    night.fail(FailureKind.THROTTLED, wait=True)
    action = night.answer_probe("2026-05-04")
    assert isinstance(action, Pull)
    assert action.reader is Reader.STATEMENT


@pytest.mark.parametrize("confirmed", [FailureKind.UNKNOWN_401, FailureKind.SERVER_ERROR])
def test_a_get_that_clears_the_office_and_finds_aging_at_work_lets_nothing_be_pulled(confirmed: FailureKind) -> None:
    night = start_pull()
    if confirmed is FailureKind.SERVER_ERROR:
        fail_statement(night, FailureKind.SERVER_ERROR)
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
            waits.append(night.get_wait_seconds())
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


def test_balances_that_do_not_add_up_are_read_again_a_few_times_and_then_suspect(golden: GoldenTexts) -> None:
    night = start_pull()
    invalid = "5 guarantors were read where the office counts 6"
    for _ in range(REREADS_MAX):
        assert isinstance(night.fail(FailureKind.INCOMPLETE, invalid, wait=True), Pull)
        assert night.get_condition() is C.PULLING
        assert invalid in night.state.standing.reason
    night.fail(FailureKind.INCOMPLETE, invalid)
    status = night.state.standing
    assert (status.condition, status.owner, bool(status.advice)) == (C.SUSPECT, Owner.VENDOR, True)
    golden.check(status.reason)
    assert night.get_wait_seconds() == Cadence().backoff_max_seconds
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
        waits.append(night.get_wait_seconds())
        assert night.sleep_and_wake() == Probe()
        assert isinstance(night.answer_probe("2026-05-04"), Pull)
    assert waits[:3] == [3.75, 7.5, 15.0]
    assert waits == sorted(waits)
    night.fail(FailureKind.INCOMPLETE)
    assert night.get_condition() is C.PULLING
    night.sleep_and_wake()
    night.answer_pull()
    assert (night.state.moves, night.state.rereads) == (0, 0)


def test_a_run_that_began_during_a_pull_is_waited_out_and_its_balances_pulled(golden: GoldenTexts) -> None:
    night = start_office()
    night.answer_survey(make_preferences("2026-05-03"))
    assert isinstance(night.answer_clock(), Pull)
    night.fail(FailureKind.AGING_CHANGED, wait=True)
    night.answer_probe("2026-05-03", "2026-05-04 20:00:01")
    golden.check(night.state.standing.reason)
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
