from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from oddaemon.core.backfill import (
    EARLIEST,
    OWN_QUERY,
    REREADS_MAX,
    Backfill,
    PastDay,
    Stage,
    Via,
    WrongDayError,
    checked_day,
    failed,
    went_on,
)
from oddaemon.core.failure import Failure, Kind
from oddaemon.core.model import Cadence

NOW = datetime(2026, 3, 3, 9, tzinfo=UTC)
ORDER = Backfill(1, PastDay("elm", date(2026, 1, 31)), NOW)


def after(kind: Kind, order: Backfill = ORDER, retry_after_seconds: float | None = None) -> Backfill:
    return failed(order, Failure(kind, retry_after_seconds=retry_after_seconds), NOW, Cadence(), 1.0)


@pytest.mark.parametrize("kind", [Kind.TIMEOUT, Kind.HEADQUARTERS_DOWN, Kind.SERVER_ERROR])
def test_what_passes_by_itself_is_tried_again_further_apart(kind: Kind) -> None:
    first = after(kind)
    second = after(kind, first)
    assert (first.stage, first.attempts, second.attempts) == (Stage.OPEN, 1, 2)
    assert first.not_before is not None
    assert second.not_before is not None
    assert NOW < first.not_before < second.not_before
    assert first.why.endswith(".")
    assert first.rereads == 0


def test_a_server_that_says_when_is_heard() -> None:
    assert after(Kind.THROTTLED, retry_after_seconds=300).not_before == NOW + timedelta(seconds=300)


def test_readings_that_differ_are_thrown_away_a_few_times() -> None:
    order = ORDER
    for count in range(1, REREADS_MAX + 1):
        order = after(Kind.INCOMPLETE, order)
        assert (order.stage, order.rereads) == (Stage.OPEN, count)
    assert after(Kind.INCOMPLETE, order).stage is Stage.FAILED


@pytest.mark.parametrize(
    "kind", [Kind.KEY_REJECTED, Kind.VERSION_TOO_OLD, Kind.NOT_FOUND, Kind.UPLOAD_TOO_LARGE, Kind.UPLOAD_MISNAMED]
)
def test_what_needs_a_human_ends_it(kind: Kind) -> None:
    ended = after(kind)
    assert (ended.stage, ended.not_before) == (Stage.FAILED, None)
    assert ended.why


@pytest.mark.parametrize("kind", [Kind.QUERY_REFUSED, Kind.SQL_ERROR])
def test_a_query_of_the_operators_is_theirs_to_mend(kind: Kind) -> None:
    theirs = replace(ORDER, day=PastDay("elm", date(2026, 1, 31), Via.SFTP, "SELECT"))
    assert after(kind, theirs).why.endswith(OWN_QUERY)
    assert OWN_QUERY not in after(kind).why


def test_the_other_sides_own_full_stop_is_not_doubled() -> None:
    ended = failed(ORDER, Failure(Kind.PERMISSION_MISSING, "No permission."), NOW, Cadence(), 1.0)
    assert ended.why.startswith("The key lacks a permission: No permission. Give")


def test_going_on_forgets_the_back_off() -> None:
    assert went_on(after(Kind.TIMEOUT)) == ORDER


def test_only_days_that_are_past_and_can_have_been_can_be_had() -> None:
    today = date(2026, 3, 3)
    assert checked_day(today - timedelta(days=1), today) == date(2026, 3, 2)
    for wrong in (today, today + timedelta(days=1), EARLIEST - timedelta(days=1)):
        with pytest.raises(WrongDayError):
            checked_day(wrong, today)
