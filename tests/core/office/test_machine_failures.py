"""What an office does when something fails: who is blamed, how long it waits, and how it comes back."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from oddaemon.core.failures.failure import Failure, FailureKind
from oddaemon.core.failures.origin import STATEMENT_TIMEOUTS
from oddaemon.core.failures.recovery import Recovery
from oddaemon.core.model import Cadence, Condition, Owner, Reader
from oddaemon.core.office.evidence import refine_failure
from oddaemon.core.office.machine import make_initial_state, next_action
from oddaemon.core.office.state import MeasureClock, Probe, Publish, Pull, Started, Survey, Wait
from oddaemon.core.snapshot.packing import FIRST_PACKING
from tests.core.builders import (
    EVENING,
    JITTER,
    SPEC,
    make_failed,
    make_pulled,
    make_snapshot,
    make_spec,
    start_office,
    start_pull,
)
from tests.golden import GoldenTexts

C = Condition


# --- trouble that passes ----------------------------------------------------------------------------------------------


def test_an_econnector_that_is_down_is_asked_ever_more_rarely_until_it_is_back(golden: GoldenTexts) -> None:
    night = start_office()
    waits = []
    for _ in range(12):
        night.fail(FailureKind.ECONNECTOR_DOWN, "The office's eConnector is not running.")
        waits.append(night.get_wait_seconds())
        night.sleep_and_wake()
    assert waits[:4] == [3.75, 7.5, 15.0, 30.0]
    assert waits[-1] == 0.75 * Cadence().backoff_max_seconds
    status = night.state.standing
    assert (status.condition, status.owner, status.since) == (C.UNREACHABLE, Owner.OFFICE, EVENING)
    golden.check(status.reason)

    night.answer_survey()
    assert night.get_condition() is C.PULLING
    night.answer_pull()
    assert night.get_condition() is C.FRESH
    night.sleep_and_wake()
    night.fail(FailureKind.ECONNECTOR_DOWN)
    assert night.get_wait_seconds() == 3.75


@pytest.mark.parametrize(
    "kind", [kind for kind in FailureKind if kind.recovery is Recovery.RETRY and kind not in STATEMENT_TIMEOUTS]
)
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
    for night in (start_office(), start_pull()):
        wanted = night.action
        night.observe(make_failed(FailureKind.THROTTLED, "", asked))
        assert night.get_wait_seconds() == seconds
        assert night.sleep_and_wake() == wanted


def test_an_unreachable_office_never_forgets_its_back_off_over_a_restart() -> None:
    night = start_office()
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


@pytest.mark.parametrize("kind", [kind for kind in FailureKind if kind.recovery is Recovery.BLOCK])
def test_who_is_blocked_is_surveyed_slowly_and_comes_back_by_itself(kind: FailureKind) -> None:
    night = start_office()
    for _ in range(10):
        asked_at = night.now
        night.fail(kind, "why")
        status = night.state.standing
        assert (status.condition, status.since) == (C.BLOCKED, EVENING)
        refined = refine_failure(make_initial_state(EVENING), Failure(kind)).kind
        assert (status.owner, status.advice) == (refined.owner, refined.advice)
        assert night.sleep_and_wake() == Survey()
        assert night.now - asked_at <= timedelta(seconds=Cadence().blocked_probe_seconds)
    if kind is not FailureKind.TLS:  # a refused certificate never reaches the office
        assert night.now - EVENING > 8 * timedelta(seconds=Cadence().blocked_probe_seconds)
    night.answer_survey()
    assert night.get_condition() is C.BLOCKED
    night.answer_pull()
    assert night.get_condition() is C.FRESH


def test_a_start_asks_at_once_who_is_blocked_and_forgets_no_back_off() -> None:
    blocked, backing_off = start_office(), start_office()
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
    for night in (start_office(), probing):
        wanted, reader = night.action, night.state.reader
        night.fail(kind)
        assert night.get_wait_seconds() > 0
        assert night.sleep_and_wake() in {wanted, Survey()}
        assert night.state.reader is reader


def test_a_rejected_query_blocks_no_office_before_a_get_was_rejected_too() -> None:
    night = start_pull()
    assert night.fail(FailureKind.UNKNOWN_401, "Unauthorized") == Probe()
    assert night.get_condition() is C.PULLING
    night.fail(FailureKind.KEY_REJECTED)
    assert night.get_condition() is C.BLOCKED
    assert night.sleep_and_wake() == Survey()


def test_a_refused_statement_behind_an_answered_get_is_read_in_pages(golden: GoldenTexts) -> None:
    night = start_pull()
    night.fail(FailureKind.UNKNOWN_401, "Unauthorized")
    action = night.answer_probe("2026-05-04")
    assert isinstance(action, Pull)
    assert action.reader is Reader.PAGES
    golden.check(night.state.standing.reason)
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
    assert status.advice == FailureKind.PERMISSION_MISSING.advice
    assert night.get_wait_seconds() > 0


def test_a_key_without_queries_cannot_measure_the_clock_and_is_never_read() -> None:
    night = start_office(make_spec(zone=None))
    assert night.answer_survey() == MeasureClock()
    assert night.fail(FailureKind.UNKNOWN_401) == Probe()
    night.answer_probe("2026-05-04")
    assert night.get_condition() is C.BLOCKED
    assert night.state.standing.advice == FailureKind.PERMISSION_MISSING.advice
    assert night.sleep_and_wake() == Survey()


@pytest.mark.parametrize(
    "kind", [FailureKind.SQL_ERROR, FailureKind.OVERSIZED, FailureKind.COLUMN_TRUNCATED, FailureKind.INCOMPLETE]
)
def test_a_clock_that_cannot_be_measured_blocks(kind: FailureKind) -> None:
    night = start_office(make_spec(zone=None))
    night.answer_survey()
    night.fail(kind)
    assert night.get_condition() is C.BLOCKED
    assert night.state.standing.owner is kind.owner


def test_a_clock_that_answers_late_is_asked_again() -> None:
    night = start_office(make_spec(zone=None))
    night.answer_survey()
    assert night.fail(FailureKind.TIMEOUT, wait=True) == MeasureClock()
