from hypothesis import example, given
from hypothesis import strategies as st

from oddaemon.core.model import Balance
from oddaemon.core.snapshot.roll_rates import NO_FLOW, BucketFlow, RollRates, compute_flow, compute_roll_rates
from oddaemon.core.snapshot.verify import compute_totals

CENTS = st.integers(-50_000, 500_000)


def make_balance(*buckets: int) -> Balance:
    first, second, third, fourth = buckets
    return Balance(7, 0, 0, first, second, third, fourth, 0, sum(buckets))


balances = st.builds(make_balance, CENTS, CENTS, CENTS, CENTS)


def test_a_charge_that_grows_older_rolls_on_and_nothing_else_happens() -> None:
    assert compute_flow(make_balance(100, 0, 0, 0), make_balance(0, 100, 0, 0)) == BucketFlow(rolled_31_60=100)
    assert compute_flow(make_balance(0, 100, 0, 0), make_balance(0, 0, 100, 0)) == BucketFlow(rolled_61_90=100)
    assert compute_flow(make_balance(0, 0, 100, 0), make_balance(0, 0, 0, 100)) == BucketFlow(rolled_over_90=100)


def test_all_buckets_roll_at_once() -> None:
    assert compute_flow(make_balance(10, 20, 30, 40), make_balance(5, 10, 20, 70)) == BucketFlow(10, 20, 30, charged=5)


def test_a_payment_settles_the_oldest_and_rolls_nothing() -> None:
    assert compute_flow(make_balance(100, 0, 0, 80), make_balance(100, 0, 0, 0)) == BucketFlow(settled=80)


def test_new_charges_are_charged() -> None:
    assert compute_flow(None, make_balance(250, 0, 0, 0)) == BucketFlow(charged=250)
    assert compute_flow(make_balance(50, 0, 0, 0), make_balance(300, 0, 0, 0)) == BucketFlow(charged=250)


def test_a_cleared_guarantor_settled_everything() -> None:
    assert compute_flow(make_balance(1, 2, 3, 4), None) == BucketFlow(settled=10)


def test_what_the_younger_bucket_did_not_hold_cannot_have_rolled() -> None:
    assert compute_flow(make_balance(0, 0, 30, 0), make_balance(0, 0, 0, 100)) == BucketFlow(
        rolled_over_90=30, charged=70
    )


def test_a_credit_rolls_nothing() -> None:
    assert compute_flow(make_balance(-50, 0, 0, 0), make_balance(0, 20, 0, 0)) == BucketFlow(charged=70)


def test_an_unchanged_guarantor_has_no_flow() -> None:
    assert compute_flow(make_balance(1, 2, 3, 4), make_balance(1, 2, 3, 4)) == NO_FLOW


@given(balances, balances)
@example(make_balance(0, 0, 0, 0), make_balance(0, 0, 0, 0))
def test_movements_explain_what_is_seen_and_never_exceed_what_was_there(before: Balance, after: Balance) -> None:
    bucket_flow = compute_flow(before, after)
    assert min(bucket_flow) >= 0
    assert sum(after[3:7]) - sum(before[3:7]) == bucket_flow.charged - bucket_flow.settled
    for rolled, bucket in zip(bucket_flow[:3], before[3:6], strict=True):
        assert rolled <= max(0, bucket)


def test_a_rate_is_a_share_of_what_the_younger_bucket_held() -> None:
    earlier = compute_totals([make_balance(1000, 0, 300, 7)])
    assert compute_roll_rates(BucketFlow(250, 5, 100), earlier) == RollRates(0.25, None, 0.333333)


def test_flows_add_up() -> None:
    assert BucketFlow(1, 2, 3, 4, 5).add(BucketFlow(10, 20, 30, 40, 50)) == BucketFlow(11, 22, 33, 44, 55)
