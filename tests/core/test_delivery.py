from dataclasses import replace
from datetime import UTC, datetime, timedelta

from oddaemon.core.delivery import (
    Delivery,
    DeliveryAttempt,
    DeliveryFailure,
    DeliveryState,
    RetryPolicy,
    SinkState,
    compute_attempt_at,
    fail_attempt,
    get_max_in_flight,
)

NOW = datetime(2026, 3, 2, 8, 30, tzinfo=UTC)
RETRY_POLICY = RetryPolicy()
DELIVERY = Delivery(7, "d7", "smile", 12, NOW, NOW)
REFUSAL = DeliveryFailure("No.")


def test_a_fresh_delivery_is_due_at_once() -> None:
    assert compute_attempt_at(DeliveryAttempt(DELIVERY, SinkState()), NOW, RETRY_POLICY) == NOW


def test_a_sink_that_rests_makes_every_delivery_wait() -> None:
    rested = NOW + timedelta(minutes=3)
    assert compute_attempt_at(DeliveryAttempt(DELIVERY, SinkState(1, rested)), NOW, RETRY_POLICY) == rested


def test_a_wait_that_no_rule_ever_sets_comes_of_a_clock_that_was_set_and_is_over() -> None:
    now = NOW - timedelta(days=300)
    assert compute_attempt_at(DeliveryAttempt(DELIVERY, SinkState()), now, RETRY_POLICY) == now


def test_who_has_refused_is_tried_with_one() -> None:
    assert get_max_in_flight(SinkState(), 4) == 4
    assert get_max_in_flight(SinkState(1, NOW), 4) == 1


def test_waits_double_to_a_limit_and_count_the_sink_apart_from_the_delivery() -> None:
    attempt = DeliveryAttempt(DELIVERY, SinkState())
    waits = []
    for _ in range(10):
        after = fail_attempt(attempt, REFUSAL, NOW, 1.0, RETRY_POLICY)
        assert after.state is DeliveryState.DUE
        attempt = DeliveryAttempt(after.delivery, after.sink_state)
        waits.append((after.delivery.not_before - NOW).total_seconds())
    assert waits == [5, 10, 20, 40, 80, 160, 320, 640, 900, 900]
    another = fail_attempt(DeliveryAttempt(DELIVERY, attempt.sink_state), REFUSAL, NOW, 1.0, RETRY_POLICY)
    assert another.delivery.not_before == NOW + timedelta(seconds=5)
    assert another.sink_state == SinkState(11, NOW + timedelta(seconds=900))


def test_what_a_consumer_asks_for_is_granted_within_reason() -> None:
    attempt = DeliveryAttempt(DELIVERY, SinkState())
    granted = fail_attempt(attempt, DeliveryFailure("No.", retry_after_seconds=3000.0), NOW, 0.0, RETRY_POLICY)
    assert granted.sink_state.not_before == NOW + timedelta(seconds=3000)
    for_ever = fail_attempt(attempt, DeliveryFailure("No.", retry_after_seconds=1e9), NOW, 0.0, RETRY_POLICY)
    assert for_ever.sink_state.not_before == NOW + timedelta(seconds=RETRY_POLICY.retry_after_max_seconds)


def test_an_old_delivery_is_dead_once_it_is_refused_again() -> None:
    later = NOW + timedelta(seconds=RETRY_POLICY.give_up_after_seconds)
    attempt = DeliveryAttempt(DELIVERY, SinkState())
    assert fail_attempt(attempt, REFUSAL, later - timedelta(seconds=1), 0.0, RETRY_POLICY).state is DeliveryState.DUE
    assert fail_attempt(attempt, REFUSAL, later, 0.0, RETRY_POLICY).state is DeliveryState.DEAD


def test_an_old_delivery_is_not_given_up_for_our_own_trouble() -> None:
    later = NOW + timedelta(seconds=2 * RETRY_POLICY.give_up_after_seconds)
    failure = replace(REFUSAL, is_ours=True)
    after = fail_attempt(DeliveryAttempt(DELIVERY, SinkState()), failure, later, 0.0, RETRY_POLICY)
    assert after.state is DeliveryState.DUE


def test_a_final_refusal_is_the_end() -> None:
    after = fail_attempt(
        DeliveryAttempt(DELIVERY, SinkState()), DeliveryFailure("Gone.", final=True), NOW, 0.0, RETRY_POLICY
    )
    assert (after.state, after.delivery.attempts) == (DeliveryState.DEAD, 1)
