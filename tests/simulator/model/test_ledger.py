from oddaemon.simulator.model.balances import Money, StoredBalance, round_half_even, to_cents
from oddaemon.simulator.model.ledger import Entry, Family, compute_aged_row, recalculate, settle

TODAY = 740_000


def make_family(*entries: tuple[int, int], ins_est: int = 0, stale_own: int = 0) -> Family:
    """A guarantor with one dependent; entries are (days old, dollars), all the guarantor's."""
    return Family(
        guarantor=1,
        dependents=(2,),
        clinic_num=0,
        last_name="Ito",
        row=StoredBalance(1, 0, Money()),
        entries=[Entry(TODAY - days_old, dollars * 1000, 1) for days_old, dollars in entries],
        ins_est_mills=ins_est * 1000,
        est_balance_mills=stale_own * 1000,
    )


def to_dollars(money: Money) -> tuple[int, ...]:
    return tuple(mills // 1000 for mills in money)


def test_a_charge_falls_into_the_bucket_of_its_age() -> None:
    ages = (0, 30, 31, 60, 61, 90, 91, 400)
    charges = make_family(*((age, 2**place) for place, age in enumerate(ages)))
    assert to_dollars(compute_aged_row(charges, TODAY).money) == (0, 1 + 2, 4 + 8, 16 + 32, 64 + 128, 0, 255)


def test_a_day_later_charges_have_grown_into_the_next_bucket() -> None:
    charges = make_family((30, 5), (60, 7), (90, 9))
    assert to_dollars(compute_aged_row(charges, TODAY + 1).money) == (0, 0, 5, 7, 9, 0, 21)


def test_payments_pay_the_oldest_charge_first_whatever_the_order_of_entry() -> None:
    paid_in_part = make_family((10, 100), (0, -130), (100, 80), (45, 60))
    assert to_dollars(compute_aged_row(paid_in_part, TODAY).money) == (0, 100, 10, 0, 0, 0, 110)


def test_a_credit_leaves_buckets_at_zero_and_the_total_negative() -> None:
    prepaid = make_family((10, 100), (0, -150))
    assert to_dollars(compute_aged_row(prepaid, TODAY).money) == (0, 0, 0, 0, 0, 0, -50)


def test_a_post_dated_charge_is_in_the_total_and_in_no_bucket() -> None:
    assert to_dollars(compute_aged_row(make_family((10, 100), (-5, 40)), TODAY).money) == (0, 100, 0, 0, 0, 0, 140)


def test_a_post_dated_payment_pays_nothing_yet() -> None:
    assert to_dollars(compute_aged_row(make_family((10, 100), (-5, -40)), TODAY).money) == (0, 100, 0, 0, 0, 0, 60)


def test_aging_leaves_the_guarantors_own_balance_stale() -> None:
    assert compute_aged_row(make_family((10, 100), stale_own=7), TODAY).money.est_balance == 7000


def test_opening_the_account_updates_the_own_balance_without_the_dependents() -> None:
    opened = make_family((10, 100), ins_est=30, stale_own=7)
    opened.entries.append(Entry(TODAY, 50_000, pat_num=2))
    assert to_dollars(recalculate(opened, TODAY).money) == (100, 150, 0, 0, 0, 30, 150)


def test_a_settled_family_is_zero_in_every_column() -> None:
    messy = make_family((400, 80), (10, -100), (-9, 33), ins_est=20, stale_own=4)
    messy.entries.append(Entry(TODAY - 3, 50_000, pat_num=2))
    settle(messy, TODAY)
    assert not any(compute_aged_row(messy, TODAY).money)


def test_cents_are_rounded_nearest_of_the_stored_double() -> None:
    assert [to_cents(mills) for mills in (12_344, 12_345, 12_346, -12_346, 125, -125, 1_005)] == [
        *(1234, 1234, 1235, -1235, 12, -12),
        100,  # 1.005 * 100 is 100.49999999999999 as a double
    ]


def test_rounding_keeps_the_sign_of_zero() -> None:
    assert str(round_half_even(-0.3)) == "-0.0"
