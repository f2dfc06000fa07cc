from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from oddaemon.core.failures.failure import Failure, FailureKind
from oddaemon.core.model import Condition, Owner, Status
from oddaemon.core.office.status import (
    ACTION_REQUIRED,
    make_failure_status,
    make_paused_status,
    make_status,
    to_sentence,
)

SINCE = datetime(2026, 5, 5, 7, 0, tzinfo=UTC)
NOW = SINCE + timedelta(hours=1)
AGING = Status(Condition.AGING, SINCE, "Due.", late_at=SINCE + timedelta(minutes=30))


def test_since_stays_where_the_condition_does() -> None:
    assert make_status(AGING, NOW, Condition.AGING, "Still.").since == SINCE
    assert make_status(AGING, NOW, Condition.FRESH, "Done.").since == NOW


@pytest.mark.parametrize("condition", Condition)
def test_the_failure_stays_shown_while_the_office_is_read_again(condition: Condition) -> None:
    before = Status(condition, SINCE, "Why.", Owner.OFFICE, "Do this.")
    after = make_status(before, NOW, Condition.PULLING, "Reading.", keep_action_required=True)
    assert (after == before) is (condition in ACTION_REQUIRED)
    assert make_status(before, NOW, Condition.PULLING, "Reading.").reason == "Reading."


def test_a_paused_office_says_how_to_resume() -> None:
    status = make_paused_status(AGING, NOW, enabled=False)
    assert status.condition is Condition.PAUSED
    assert "enabled = true" in status.advice


def test_a_troubled_office_names_the_owner_the_advice_and_the_reason_of_the_failure() -> None:
    status = make_failure_status(AGING, NOW, Condition.UNREACHABLE, Failure(FailureKind.TLS, "expired"))
    kind = FailureKind.TLS
    assert (status.owner, status.advice, status.late_at) == (kind.owner, kind.advice, AGING.late_at)
    assert status.reason == to_sentence(f"{kind.meaning}: expired")
    assert make_failure_status(AGING, NOW, Condition.SUSPECT, Failure(FailureKind.TLS), "So.").reason == "So."


@pytest.mark.parametrize(
    ("clause", "sentence"), [("it broke", "It broke."), ("Stop!", "Stop!"), ("cut…", "Cut…"), ("done.", "Done.")]
)
def test_a_clause_becomes_a_sentence(clause: str, sentence: str) -> None:
    assert to_sentence(clause) == sentence


def test_waiting_is_late_from_its_deadline_on_by_the_clock_alone() -> None:
    assert AGING.late_at is not None
    assert AGING.evaluate_at(AGING.late_at - timedelta(microseconds=1)) == AGING
    late = AGING.evaluate_at(NOW)
    assert (late.condition, late.since) == (Condition.LATE, AGING.late_at)
    assert replace(AGING, since=NOW).evaluate_at(NOW).since == NOW


def test_who_has_no_deadline_or_does_not_wait_is_never_late() -> None:
    for status in (replace(AGING, late_at=None), replace(AGING, condition=Condition.FRESH)):
        assert status.evaluate_at(NOW) == status
