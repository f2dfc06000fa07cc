from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from oddaemon.core.backfill.job import (
    EARLIEST_DATE,
    OWN_QUERY_ADVICE,
    BackfillJob,
    BackfillMethod,
    BackfillTarget,
    InvalidDate,
    JobState,
    apply_failure,
    clear_failures,
    validate_day,
)
from oddaemon.core.backoff import REREADS_MAX, STATEMENT_PAUSE
from oddaemon.core.failures.failure import Failure, FailureKind
from oddaemon.core.model import Cadence

NOW = datetime(2026, 3, 3, 9, tzinfo=UTC)
JOB = BackfillJob(1, BackfillTarget("elm", date(2026, 1, 31)), NOW)


def fail_with(kind: FailureKind, job: BackfillJob = JOB, retry_after_seconds: float | None = None) -> BackfillJob:
    return apply_failure(job, Failure(kind, retry_after_seconds=retry_after_seconds), NOW, Cadence(), 1.0)


@pytest.mark.parametrize("kind", [FailureKind.CONNECTION_LOST, FailureKind.HEADQUARTERS_DOWN, FailureKind.SERVER_ERROR])
def test_what_passes_by_itself_is_tried_again_further_apart(kind: FailureKind) -> None:
    first = fail_with(kind)
    second = fail_with(kind, first)
    assert (first.state, first.attempts, second.attempts) == (JobState.OPEN, 1, 2)
    assert first.not_before is not None
    assert second.not_before is not None
    assert NOW < first.not_before < second.not_before
    assert first.why.endswith(".")
    assert first.rereads == 0


@pytest.mark.parametrize("kind", [FailureKind.TIMEOUT, FailureKind.GATEWAY_TIMEOUT])
def test_a_report_without_an_answer_in_time_is_given_time_to_end_at_the_office(kind: FailureKind) -> None:
    assert fail_with(kind).not_before == NOW + STATEMENT_PAUSE


def test_a_server_that_says_when_is_heard() -> None:
    assert fail_with(FailureKind.THROTTLED, retry_after_seconds=300).not_before == NOW + timedelta(seconds=300)


def test_readings_that_differ_are_thrown_away_a_few_times() -> None:
    job = JOB
    for count in range(1, REREADS_MAX + 1):
        job = fail_with(FailureKind.INCOMPLETE, job)
        assert (job.state, job.rereads) == (JobState.OPEN, count)
    assert fail_with(FailureKind.INCOMPLETE, job).state is JobState.FAILED


@pytest.mark.parametrize(
    "kind",
    [
        FailureKind.KEY_REJECTED,
        FailureKind.VERSION_TOO_OLD,
        FailureKind.NOT_FOUND,
        FailureKind.UPLOAD_TOO_LARGE,
        FailureKind.UPLOAD_MISNAMED,
    ],
)
def test_what_needs_a_human_ends_it(kind: FailureKind) -> None:
    ended = fail_with(kind)
    assert (ended.state, ended.not_before) == (JobState.FAILED, None)
    assert ended.why


@pytest.mark.parametrize("kind", [FailureKind.QUERY_REFUSED, FailureKind.SQL_ERROR])
def test_a_query_of_the_operators_is_theirs_to_fix(kind: FailureKind) -> None:
    theirs = replace(JOB, target=BackfillTarget("elm", date(2026, 1, 31), BackfillMethod.SFTP, "SELECT"))
    assert fail_with(kind, theirs).why.endswith(OWN_QUERY_ADVICE)
    assert OWN_QUERY_ADVICE not in fail_with(kind).why


def test_the_other_sides_own_full_stop_is_not_doubled() -> None:
    ended = apply_failure(JOB, Failure(FailureKind.PERMISSION_MISSING, "No permission."), NOW, Cadence(), 1.0)
    assert ended.why.startswith("The key lacks a permission: No permission. Give")


def test_going_on_forgets_the_back_off() -> None:
    assert clear_failures(fail_with(FailureKind.TIMEOUT)) == JOB


def test_only_days_that_are_past_and_can_have_been_can_be_had() -> None:
    today = date(2026, 3, 3)
    assert validate_day(today - timedelta(days=1), today) == date(2026, 3, 2)
    for invalid in (today, today + timedelta(days=1), EARLIEST_DATE - timedelta(days=1)):
        with pytest.raises(InvalidDate):
            validate_day(invalid, today)
