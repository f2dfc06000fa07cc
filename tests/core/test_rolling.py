from hypothesis import example, given
from hypothesis import strategies as st

from oddaemon.core.model import Balance
from oddaemon.core.snapshot.roll_rates import NO_FLOW, BucketFlow, RollRates, compute_flow, compute_roll_rates
from oddaemon.core.snapshot.verify import compute_totals

CENTS = st.integers(-50_000, 500_000)


def balance(*buckets: int) -> Balance:
    first, second, third, fourth = buckets
    return Balance(7, 0, 0, first, second, third, fourth, 0, sum(buckets))


balances = st.builds(balance, CENTS, CENTS, CENTS, CENTS)


def test_a_charge_that_grows_older_rolls_on_and_nothing_else_happens() -> None:
    assert compute_flow(balance(100, 0, 0, 0), balance(0, 100, 0, 0)) == BucketFlow(rolled_31_60=100)
    assert compute_flow(balance(0, 100, 0, 0), balance(0, 0, 100, 0)) == BucketFlow(rolled_61_90=100)
    assert compute_flow(balance(0, 0, 100, 0), balance(0, 0, 0, 100)) == BucketFlow(rolled_over_90=100)


def test_all_buckets_roll_at_once() -> None:
    assert compute_flow(balance(10, 20, 30, 40), balance(5, 10, 20, 70)) == BucketFlow(10, 20, 30, charged=5)


def test_a_payment_settles_the_oldest_and_rolls_nothing() -> None:
    assert compute_flow(balance(100, 0, 0, 80), balance(100, 0, 0, 0)) == BucketFlow(settled=80)


def test_new_charges_are_charged() -> None:
    assert compute_flow(None, balance(250, 0, 0, 0)) == BucketFlow(charged=250)
    assert compute_flow(balance(50, 0, 0, 0), balance(300, 0, 0, 0)) == BucketFlow(charged=250)


def test_whoever_is_cleared_settled_everything() -> None:
    assert compute_flow(balance(1, 2, 3, 4), None) == BucketFlow(settled=10)


def test_what_the_younger_bucket_did_not_hold_cannot_have_rolled() -> None:
    assert compute_flow(balance(0, 0, 30, 0), balance(0, 0, 0, 100)) == BucketFlow(rolled_over_90=30, charged=70)


def test_a_credit_rolls_nothing() -> None:
    assert compute_flow(balance(-50, 0, 0, 0), balance(0, 20, 0, 0)) == BucketFlow(charged=70)


def test_nobody_who_stays_the_same_moves() -> None:
    assert compute_flow(balance(1, 2, 3, 4), balance(1, 2, 3, 4)) == NO_FLOW


@given(balances, balances)
@example(balance(0, 0, 0, 0), balance(0, 0, 0, 0))
def test_movements_explain_what_is_seen_and_never_exceed_what_was_there(before: Balance, after: Balance) -> None:
    moved = compute_flow(before, after)
    assert min(moved) >= 0
    assert sum(after[3:7]) - sum(before[3:7]) == moved.charged - moved.settled
    for rolled, held in zip(moved[:3], before[3:6], strict=True):
        assert rolled <= max(0, held)


def test_a_rate_is_a_share_of_what_the_younger_bucket_held() -> None:
    earlier = compute_totals([balance(1000, 0, 300, 7)])
    assert compute_roll_rates(BucketFlow(250, 5, 100), earlier) == RollRates(0.25, None, 0.333333)


def test_flows_add_up() -> None:
    assert BucketFlow(1, 2, 3, 4, 5).add(BucketFlow(10, 20, 30, 40, 50)) == BucketFlow(11, 22, 33, 44, 55)
