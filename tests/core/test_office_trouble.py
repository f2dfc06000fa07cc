"""What an office does when something fails: who is blamed, how long it waits, and how it comes back."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from oddaemon.core.failures.failure import RULES, Failure, FailureKind, Recovery
from oddaemon.core.model import AgingMark, Cadence, Condition, Owner, Reader
from oddaemon.core.office.evidence import refine_failure
from oddaemon.core.office.machine import REREADS_MAX, make_initial_state, next_action
from oddaemon.core.office.state import Action, MeasureClock, OfficeSpec, Probe, Publish, Pull, Started, Survey, Wait
from oddaemon.core.snapshot.packing import FIRST_PACKING, Packing
from tests.core.builders import JITTER, WISH, Night, at, failed, preferences, proved, snapshot, wish

EVENING = at("2026-05-04 20:00")
C = Condition


def surveying(wanted: OfficeSpec = WISH) -> Night:
    night = Night(make_initial_state(EVENING), EVENING, wanted)
    night.turn(Started())
    return night


def pulling(wanted: OfficeSpec = WISH) -> Night:
    """An office about to be read for the first time."""
    night = surveying(wanted)
    night.surveyed()
    assert isinstance(night.action, Pull)
    return night


def waited_seconds(night: Night) -> float:
    assert isinstance(night.action, Wait)
    return (night.action.until - night.now).total_seconds()


def statement_breaks_off(night: Night, kind: FailureKind) -> Action:
    """The statement fails, and after the wait a GET is answered."""
    night.fails(kind, wait=True)
    return night.probed("2026-05-04")


# --- trouble that passes ----------------------------------------------------------------------------------------------


def test_an_econnector_that_is_down_is_asked_ever_more_rarely_until_it_is_back() -> None:
    night = surveying()
    waits = []
    for _ in range(12):
        night.fails(FailureKind.ECONNECTOR_DOWN, "The office's eConnector is not running.")
        waits.append(waited_seconds(night))
        night.wait()
    assert waits[:4] == [3.75, 7.5, 15.0, 30.0]
    assert waits[-1] == 0.75 * Cadence().backoff_max_seconds
    standing = night.state.standing
    assert (standing.condition, standing.owner, standing.since) == (C.UNREACHABLE, Owner.OFFICE, EVENING)
    assert standing.reason == "The office's eConnector is not running: The office's eConnector is not running."

    night.surveyed()
    assert night.condition() is C.PULLING
    night.pulled()
    assert night.condition() is C.FRESH
    night.wait()
    night.fails(FailureKind.ECONNECTOR_DOWN)
    assert waited_seconds(night) == 3.75


@pytest.mark.parametrize("kind", [kind for kind in FailureKind if RULES[kind].recovery is Recovery.RETRY])
@pytest.mark.parametrize("reader", Reader)
def test_trouble_that_passes_leads_back_to_the_same_pull(kind: FailureKind, reader: Reader) -> None:
    night = pulling(wish(reader=reader))
    wanted = night.action
    night.fails(kind, wait=True)
    if night.action != wanted:
        assert night.action == Probe()
        night.probed("2026-05-04")
    assert night.action == wanted


def test_a_snapshot_that_could_not_be_stored_is_pulled_again() -> None:
    night = pulling()
    before = night.state
    _, action = next_action(before, proved(snapshot(date(2026, 5, 4)), FIRST_PACKING), night.now, WISH, JITTER)
    assert isinstance(action, Publish)
    night.fails(FailureKind.STORE, "disk full")
    assert night.state.published is None
    assert night.state.standing.owner is Owner.US
    assert isinstance(night.wait(), Pull)


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [(30.0, 30.0), (None, 3.75), (0.0, 3.75), (-1.0, 3.75), (86_400.0, 21_600.0), (float("nan"), 3.75)],
)
def test_a_throttled_office_waits_for_as_long_as_it_is_told_within_reason(asked: float | None, seconds: float) -> None:
    for night in (surveying(), pulling()):
        wanted = night.action
        night.turn(failed(FailureKind.THROTTLED, "", asked))
        assert waited_seconds(night) == seconds
        assert night.wait() == wanted


def test_an_unreachable_office_never_forgets_its_back_off_over_a_restart() -> None:
    night = surveying()
    for _ in range(8):
        night.fails(FailureKind.CONNECT, wait=True)
    waiting = night.fails(FailureKind.CONNECT)
    for wanted in (WISH, wish(include="debts")):
        night.wish = wanted
        assert night.turn(Started()) == waiting


def test_other_guarantors_wanted_during_trouble_do_not_cut_the_back_off_short() -> None:
    night = pulling()
    night.pulled()
    night.wait()
    for _ in range(8):
        night.fails(FailureKind.CONNECT, wait=True)
    night.fails(FailureKind.CONNECT)
    until = night.state.not_before
    night.wish = wish(clinics=(1,))
    assert night.turn(Started()) == Wait(until)
    assert night.wait() == Survey()
    assert isinstance(night.surveyed(), Pull)


# --- trouble that only a human can mend -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [kind for kind in FailureKind if RULES[kind].recovery is Recovery.BLOCK])
def test_who_is_blocked_is_surveyed_slowly_and_comes_back_by_itself(kind: FailureKind) -> None:
    night = surveying()
    for _ in range(10):
        asked_at = night.now
        night.fails(kind, "why")
        standing = night.state.standing
        assert (standing.condition, standing.since) == (C.BLOCKED, EVENING)
        rule = refine_failure(make_initial_state(EVENING), Failure(kind)).rule
        assert (standing.owner, standing.advice) == (rule.owner, rule.advice)
        assert night.wait() == Survey()
        assert night.now - asked_at <= timedelta(seconds=Cadence().blocked_probe_seconds)
    assert night.now - EVENING > 8 * timedelta(seconds=Cadence().blocked_probe_seconds)
    night.surveyed()
    assert night.condition() is C.BLOCKED
    night.pulled()
    assert night.condition() is C.FRESH


def test_a_start_asks_at_once_who_is_blocked_and_forgets_no_back_off() -> None:
    blocked, backing_off = surveying(), surveying()
    blocked.fails(FailureKind.KEY_REJECTED)
    backing_off.fails(FailureKind.TIMEOUT)
    soon = EVENING + timedelta(seconds=1)
    assert next_action(blocked.state, Started(), soon, WISH, JITTER)[1] == Survey()
    assert isinstance(next_action(backing_off.state, Started(), soon, WISH, JITTER)[1], Wait)


@pytest.mark.parametrize("reader", Reader)
def test_who_was_blocked_is_read_anew_in_the_way_that_the_configuration_wants(reader: Reader) -> None:
    night = pulling(wish(reader=reader))
    night.state = replace(night.state, reader=Reader.PAGES)
    night.fails(FailureKind.NOT_FOUND, wait=True)
    action = night.surveyed()
    assert isinstance(action, Pull)
    assert action.reader is (Reader.STATEMENT if reader is Reader.AUTO else Reader.PAGES)


@pytest.mark.parametrize("kind", FailureKind)
def test_a_get_never_leads_to_a_pull_by_failing(kind: FailureKind) -> None:
    probing = pulling()
    probing.pulled()
    probing.wait()
    for night in (surveying(), probing):
        wanted, reader = night.action, night.state.reader
        night.fails(kind)
        assert waited_seconds(night) > 0
        assert night.wait() in {wanted, Survey()}
        assert night.state.reader is reader


def test_a_refused_query_blocks_nobody_before_a_get_was_refused_too() -> None:
    night = pulling()
    assert night.fails(FailureKind.UNKNOWN_401, "Unauthorized") == Probe()
    assert night.condition() is C.PULLING
    night.fails(FailureKind.KEY_REJECTED)
    assert night.condition() is C.BLOCKED
    assert night.wait() == Survey()


def test_a_refused_statement_behind_an_answered_get_is_read_in_pages() -> None:
    night = pulling()
    night.fails(FailureKind.UNKNOWN_401, "Unauthorized")
    action = night.probed("2026-05-04")
    assert isinstance(action, Pull)
    assert action.reader is Reader.PAGES
    assert "in pages, because the API did not allow the query: Unauthorized" in night.state.standing.reason
    night.pulled()
    assert (night.condition(), night.state.reader) == (C.FRESH, Reader.PAGES)


@pytest.mark.parametrize("reader", Reader)
def test_a_key_that_may_read_preferences_and_nothing_else_lacks_a_permission(reader: Reader) -> None:
    night = pulling(wish(reader=reader))
    for _ in range(2 if reader is Reader.AUTO else 1):
        assert night.fails(FailureKind.UNKNOWN_401) == Probe()
        night.probed("2026-05-04")
    standing = night.state.standing
    assert (standing.condition, standing.owner) == (C.BLOCKED, Owner.US)
    assert standing.advice == RULES[FailureKind.PERMISSION_MISSING].advice
    assert waited_seconds(night) > 0


def test_a_key_without_queries_cannot_measure_the_clock_and_is_never_read() -> None:
    night = surveying(wish(zone=None))
    assert night.surveyed() == MeasureClock()
    assert night.fails(FailureKind.UNKNOWN_401) == Probe()
    night.probed("2026-05-04")
    assert night.condition() is C.BLOCKED
    assert night.state.standing.advice == RULES[FailureKind.PERMISSION_MISSING].advice
    assert night.wait() == Survey()


@pytest.mark.parametrize(
    "kind", [FailureKind.SQL_ERROR, FailureKind.OVERSIZED, FailureKind.COLUMN_TRUNCATED, FailureKind.INCOMPLETE]
)
def test_a_clock_that_cannot_be_measured_blocks(kind: FailureKind) -> None:
    night = surveying(wish(zone=None))
    night.surveyed()
    night.fails(kind)
    assert night.condition() is C.BLOCKED
    assert night.state.standing.owner is RULES[kind].owner


def test_a_clock_that_answers_late_is_asked_again() -> None:
    night = surveying(wish(zone=None))
    night.surveyed()
    assert night.fails(FailureKind.TIMEOUT, wait=True) == MeasureClock()


# --- the statement or the office --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [FailureKind.SQL_ERROR, FailureKind.TOO_SPARSE, FailureKind.OVERSIZED])
def test_a_closed_statement_turns_to_pages_and_is_remembered(kind: FailureKind) -> None:
    night = pulling()
    action = night.fails(kind, "why")
    assert isinstance(action, Pull)
    assert action.reader is Reader.PAGES
    night.pulled()
    night.passes(days=1)
    night.woken()
    action = night.told("2026-05-05")
    assert isinstance(action, Pull)
    assert action.reader is Reader.PAGES

    night.fails(kind)
    assert night.condition() is C.BLOCKED
    assert night.state.standing.advice == RULES[kind].advice


@pytest.mark.parametrize("kind", [FailureKind.TOO_SPARSE, FailureKind.COLUMN_TRUNCATED])
def test_a_statement_that_the_configuration_insists_on_is_blocked_with_the_way_out(kind: FailureKind) -> None:
    night = pulling(wish(reader=Reader.STATEMENT))
    night.state = replace(night.state, packing=Packing(1, 128))
    night.fails(kind)
    standing = night.state.standing
    assert (standing.condition, standing.owner) == (C.BLOCKED, Owner.US)
    assert 'reader = "auto"' in standing.advice
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
def test_a_statement_that_breaks_off_twice_while_gets_are_answered_is_given_up_for_pages(kind: FailureKind) -> None:
    night = pulling()
    action = statement_breaks_off(night, kind)
    assert isinstance(action, Pull)
    assert action.reader is Reader.STATEMENT
    action = statement_breaks_off(night, kind)
    assert isinstance(action, Pull)
    assert action.reader is Reader.PAGES
    night.pulled()
    assert (night.condition(), night.state.statement_failures) == (C.FRESH, 0)


@pytest.mark.parametrize(
    "kind", [FailureKind.TIMEOUT, FailureKind.SERVER_ERROR, FailureKind.GATEWAY_TIMEOUT, FailureKind.CONNECTION_LOST]
)
@pytest.mark.parametrize("good_luck", range(6))
def test_an_outage_of_headquarters_leaves_the_statement_in_use(kind: FailureKind, good_luck: int) -> None:
    night = pulling()
    for request in range(12):
        if request == good_luck and isinstance(night.action, Probe):
            night.probed("2026-05-04")
        else:
            night.fails(kind, wait=True)
    assert night.condition() is C.UNREACHABLE
    while not isinstance(night.action, Pull):
        night.told("2026-05-04")
    assert night.action.reader is Reader.STATEMENT


def test_other_trouble_between_two_time_outs_lets_the_statement_off() -> None:
    night = pulling()
    statement_breaks_off(night, FailureKind.TIMEOUT)
    night.fails(FailureKind.ECONNECTOR_DOWN, wait=True)
    action = statement_breaks_off(night, FailureKind.TIMEOUT)
    assert isinstance(action, Pull)
    assert action.reader is Reader.STATEMENT


def test_a_throttled_get_says_nothing_about_the_statement() -> None:
    night = pulling()
    night.fails(FailureKind.TIMEOUT, wait=True)
    night.fails(FailureKind.THROTTLED, wait=True)
    action = night.probed("2026-05-04")
    assert isinstance(action, Pull)
    assert action.reader is Reader.STATEMENT


@pytest.mark.parametrize("confirmed", [FailureKind.UNKNOWN_401, FailureKind.TIMEOUT])
def test_a_get_that_clears_the_office_and_finds_aging_at_work_lets_nothing_be_pulled(confirmed: FailureKind) -> None:
    night = pulling()
    if confirmed is FailureKind.TIMEOUT:
        statement_breaks_off(night, FailureKind.TIMEOUT)
    night.fails(confirmed)
    if isinstance(night.action, Wait):
        night.wait()
    night.probed("2026-05-04", "2026-05-04 20:00:00")
    assert isinstance(night.action, Wait)
    assert night.condition() is C.AGING
    night.wait()
    action = night.probed("2026-05-04")
    assert isinstance(action, Pull)
    assert action.reader is Reader.PAGES
    assert action.expected == AgingMark("2026-05-04", "")


def test_pages_that_break_off_are_gone_on_with() -> None:
    night = pulling(wish(reader=Reader.PAGES))
    wanted = night.action
    for _ in range(5):
        assert night.fails(FailureKind.TIMEOUT, wait=True) == wanted


# --- what was read is not good enough ---------------------------------------------------------------------------------


def test_a_cut_lane_is_read_again_narrower_and_ever_later_and_at_last_in_pages() -> None:
    night = pulling()
    shapes, waits = [], []
    while night.state.reader is Reader.STATEMENT:
        assert isinstance(night.action, Pull)
        shapes.append(night.action.packing.lane_span)
        if isinstance(night.fails(FailureKind.COLUMN_TRUNCATED, "lane 3 of group 4 is broken"), Wait):
            waits.append(waited_seconds(night))
            assert night.condition() is C.PULLING
            assert "lane 3 of group 4" in night.state.standing.reason
            night.wait()
    assert shapes == [12, 6, 3, 1]
    assert waits == [3.75, 7.5, 15.0]


def test_what_was_narrowed_is_remembered() -> None:
    night = pulling()
    night.fails(FailureKind.COLUMN_TRUNCATED, wait=True)
    assert isinstance(night.action, Pull)
    night.pulled(night.action.packing)
    assert night.state.packing == Packing(6, 128)


def test_balances_that_do_not_add_up_are_read_again_a_few_times_and_then_suspect() -> None:
    night = pulling()
    wrong = "5 guarantors were read where the office counts 6"
    for _ in range(REREADS_MAX):
        assert isinstance(night.fails(FailureKind.INCOMPLETE, wrong, wait=True), Pull)
        assert night.condition() is C.PULLING
        assert wrong in night.state.standing.reason
    night.fails(FailureKind.INCOMPLETE, wrong)
    standing = night.state.standing
    assert (standing.condition, standing.owner, bool(standing.advice)) == (C.SUSPECT, Owner.VENDOR, True)
    assert f"{wrong}. 4 reads in a row" in standing.reason
    assert waited_seconds(night) == Cadence().backoff_max_seconds
    since = night.now
    night.wait()
    night.fails(FailureKind.INCOMPLETE, wrong, wait=True)
    assert (night.condition(), night.state.standing.since) == (C.SUSPECT, since)
    assert night.state.published is None
    night.pulled()
    assert (night.condition(), night.state.rereads) == (C.FRESH, 0)


def test_a_lane_cut_within_its_last_number_is_cured_by_reading_less_in_a_lane() -> None:
    night = pulling()
    spans = []
    for _ in range(REREADS_MAX):
        assert isinstance(night.action, Pull)
        spans.append(night.action.packing.lane_span)
        night.fails(FailureKind.INCOMPLETE, wait=True)
    assert spans == [12, 6, 3]
    night.state = replace(night.state, packing=Packing(1, 128))
    night.fails(FailureKind.INCOMPLETE)
    assert night.state.packing == Packing(1, 128)


def test_aging_that_runs_into_pulls_is_watched_with_patience_and_makes_nobody_suspect() -> None:
    night = pulling()
    waits = []
    for _ in range(REREADS_MAX + 4):
        night.fails(FailureKind.AGING_CHANGED, "a run of aging began or ended")
        assert night.condition() is C.AGING
        waits.append(waited_seconds(night))
        assert night.wait() == Probe()
        assert isinstance(night.probed("2026-05-04"), Pull)
    assert waits[:3] == [3.75, 7.5, 15.0]
    assert waits == sorted(waits)
    night.fails(FailureKind.INCOMPLETE)
    assert night.condition() is C.PULLING
    night.wait()
    night.pulled()
    assert (night.state.moves, night.state.rereads) == (0, 0)


def test_a_run_that_began_during_a_pull_is_waited_out_and_its_balances_pulled() -> None:
    night = surveying()
    assert isinstance(night.surveyed(preferences("2026-05-03")), Pull)
    night.fails(FailureKind.AGING_CHANGED, wait=True)
    night.probed("2026-05-03", "2026-05-04 20:00:01")
    assert "Aging has been running since 20:00" in night.state.standing.reason
    night.wait()
    action = night.probed("2026-05-04")
    assert isinstance(action, Pull)
    assert action.aging_date == date(2026, 5, 4)


def test_a_deadline_outlives_a_pull_that_fails() -> None:
    night = pulling()
    night.pulled()
    night.now = at("2026-05-05 02:30")
    night.woken()
    night.told("2026-05-04")
    night.wait()
    assert isinstance(night.told("2026-05-05"), Pull)
    for kind in (FailureKind.ECONNECTOR_DOWN, FailureKind.INCOMPLETE, FailureKind.AGING_CHANGED):
        night.fails(kind)
        assert night.state.standing.late_at == at("2026-05-05 07:00")
        night.wait()
    assert isinstance(night.action, Probe)
    night.now = at("2026-05-05 07:01")
    assert night.condition() is C.LATE
