from datetime import UTC, datetime, timedelta

import pytest

from oddaemon.core.delivery import (
    Attempt,
    Content,
    Delivery,
    DeliveryState,
    Former,
    Patience,
    Refusal,
    SinkStanding,
    base_of,
    due_at,
    refused,
    room,
)

NOW = datetime(2026, 3, 2, 8, 30, tzinfo=UTC)
PATIENCE = Patience()
DELIVERY = Delivery(7, "d7", "smile", 12, NOW, NOW)
NO = Refusal("No.")


def test_a_fresh_delivery_is_due_at_once() -> None:
    assert due_at(Attempt(DELIVERY, SinkStanding()), NOW, PATIENCE) == NOW


def test_a_sink_that_rests_makes_every_delivery_wait() -> None:
    rested = NOW + timedelta(minutes=3)
    assert due_at(Attempt(DELIVERY, SinkStanding(1, rested)), NOW, PATIENCE) == rested


def test_a_wait_that_no_rule_ever_sets_comes_of_a_clock_that_was_set_and_is_over() -> None:
    now = NOW - timedelta(days=300)
    assert due_at(Attempt(DELIVERY, SinkStanding()), now, PATIENCE) == now


def test_who_has_refused_is_tried_with_one() -> None:
    assert room(SinkStanding(), 4) == 4
    assert room(SinkStanding(1, NOW), 4) == 1


@pytest.mark.parametrize(
    ("content", "former", "base"),
    [
        (Content.SNAPSHOT, Former(DeliveryState.DONE, 11), None),
        (Content.CHANGES, None, None),
        (Content.CHANGES, Former(DeliveryState.DEAD, 11), None),
        (Content.CHANGES, Former(DeliveryState.SKIPPED, 11), None),
        (Content.CHANGES, Former(DeliveryState.DONE, 11), 11),
    ],
)
def test_changes_are_sent_only_to_who_is_known_to_hold_what_they_start_from(
    content: Content, former: Former | None, base: int | None
) -> None:
    assert base_of(content, former) == base


def test_waits_double_to_a_limit_and_count_the_sink_apart_from_the_delivery() -> None:
    attempt = Attempt(DELIVERY, SinkStanding())
    waits = []
    for _ in range(10):
        after = refused(attempt, NO, NOW, 1.0, PATIENCE)
        assert after.state is DeliveryState.DUE
        attempt = Attempt(after.delivery, after.standing)
        waits.append((after.delivery.not_before - NOW).total_seconds())
    assert waits == [5, 10, 20, 40, 80, 160, 320, 640, 900, 900]
    another = refused(Attempt(DELIVERY, attempt.standing), NO, NOW, 1.0, PATIENCE)
    assert another.delivery.not_before == NOW + timedelta(seconds=5)
    assert another.standing == SinkStanding(11, NOW + timedelta(seconds=900))


def test_what_a_consumer_asks_for_is_granted_within_reason() -> None:
    attempt = Attempt(DELIVERY, SinkStanding())
    granted = refused(attempt, Refusal("No.", retry_after_seconds=3000.0), NOW, 0.0, PATIENCE)
    assert granted.standing.not_before == NOW + timedelta(seconds=3000)
    for_ever = refused(attempt, Refusal("No.", retry_after_seconds=1e9), NOW, 0.0, PATIENCE)
    assert for_ever.standing.not_before == NOW + timedelta(seconds=PATIENCE.retry_after_max_seconds)


def test_an_old_delivery_is_dead_once_it_is_refused_again() -> None:
    later = NOW + timedelta(seconds=PATIENCE.give_up_after_seconds)
    attempt = Attempt(DELIVERY, SinkStanding())
    assert refused(attempt, NO, later - timedelta(seconds=1), 0.0, PATIENCE).state is DeliveryState.DUE
    assert refused(attempt, NO, later, 0.0, PATIENCE).state is DeliveryState.DEAD


def test_a_final_refusal_is_the_end() -> None:
    after = refused(Attempt(DELIVERY, SinkStanding()), Refusal("Gone.", final=True), NOW, 0.0, PATIENCE)
    assert (after.state, after.delivery.attempts) == (DeliveryState.DEAD, 1)
