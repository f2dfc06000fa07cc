from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from oddaemon.core.failure import RULES, Failure, Kind
from oddaemon.core.model import Condition, Owner, Standing
from oddaemon.core.standing import TROUBLE, capital, paused, stand, troubled

SINCE = datetime(2026, 5, 5, 7, 0, tzinfo=UTC)
NOW = SINCE + timedelta(hours=1)
AGING = Standing(Condition.AGING, SINCE, "Due.", late_at=SINCE + timedelta(minutes=30))


def test_since_stays_where_the_condition_does() -> None:
    assert stand(AGING, NOW, Condition.AGING, "Still.").since == SINCE
    assert stand(AGING, NOW, Condition.FRESH, "Done.").since == NOW


@pytest.mark.parametrize("condition", Condition)
def test_trouble_stays_said_while_the_office_is_read_again(condition: Condition) -> None:
    before = Standing(condition, SINCE, "Why.", Owner.OFFICE, "Do this.")
    after = stand(before, NOW, Condition.PULLING, "Reading.", keep_trouble=True)
    assert (after == before) is (condition in TROUBLE)
    assert stand(before, NOW, Condition.PULLING, "Reading.").reason == "Reading."


def test_a_paused_office_tells_how_it_goes_on() -> None:
    standing = paused(AGING, NOW)
    assert standing.condition is Condition.PAUSED
    assert "enabled = true" in standing.advice


def test_a_troubled_office_names_the_owner_the_advice_and_the_reason_of_the_failure() -> None:
    standing = troubled(AGING, NOW, Condition.UNREACHABLE, Failure(Kind.TLS, "expired"))
    rule = RULES[Kind.TLS]
    assert (standing.owner, standing.advice, standing.late_at) == (rule.owner, rule.advice, AGING.late_at)
    assert standing.reason == "The server's certificate was not accepted: expired."
    assert troubled(AGING, NOW, Condition.SUSPECT, Failure(Kind.TLS), "So.").reason == "So."


@pytest.mark.parametrize(
    ("clause", "sentence"), [("it broke", "It broke."), ("Stop!", "Stop!"), ("cut…", "Cut…"), ("done.", "Done.")]
)
def test_a_clause_becomes_a_sentence(clause: str, sentence: str) -> None:
    assert capital(clause) == sentence


def test_waiting_is_late_from_its_deadline_on_by_the_clock_alone() -> None:
    assert AGING.late_at is not None
    assert AGING.at(AGING.late_at - timedelta(microseconds=1)) == AGING
    late = AGING.at(NOW)
    assert (late.condition, late.since) == (Condition.LATE, AGING.late_at)
    assert replace(AGING, since=NOW).at(NOW).since == NOW


def test_who_has_no_deadline_or_does_not_wait_is_never_late() -> None:
    for standing in (replace(AGING, late_at=None), replace(AGING, condition=Condition.FRESH)):
        assert standing.at(NOW) == standing
