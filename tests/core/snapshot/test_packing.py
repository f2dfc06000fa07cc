import random
from collections.abc import Sequence

import pytest

from oddaemon.core.model import Balance
from oddaemon.core.snapshot.balance_rows import BalanceRows
from oddaemon.core.snapshot.packing import (
    COLUMN_BYTES_MAX,
    COLUMN_BYTES_PLANNED,
    COLUMN_SPAN_MAX,
    COLUMNS_PER_GROUP_MAX,
    FIRST_PACKING,
    GROUPS_PLANNED,
    ROW_BYTES_FIRST_GUESS,
    PackedColumnTruncated,
    Packing,
    format_row,
    plan_packing,
)
from oddaemon.opendental.decode import parse_balance_rows
from oddaemon.opendental.decode_values import MalformedValue
from tests.core.snapshot.packing_server import pack_columns, pack_truncated, unpack_all
from tests.golden import GoldenTexts

API_ROWS_MAX = 100


def make_dense_balances(guarantors: int, share: float = 0.4, seed: int = 7) -> list[Balance]:
    """An office whose PatNums count up from one, some of them guarantors with balances like those of a practice."""
    rng = random.Random(seed)
    pat_nums = sorted(rng.sample(range(1, int(guarantors / share)), guarantors))
    return [Balance(each, rng.randrange(4), *(rng.randrange(-5_000, 250_000) for _ in range(7))) for each in pat_nums]


def find_longest_column(balances: Sequence[Balance], packing: Packing) -> int:
    return max(len(text) for _, _, columns in pack_columns(balances, packing) for text in columns.values() if text)


@pytest.mark.parametrize("guarantors", [1, 40, 500, 4_000, 8_000])
def test_a_dense_office_fits_one_statement_with_room_in_every_column(guarantors: int) -> None:
    balances = make_dense_balances(guarantors)
    packing = plan_packing(BalanceRows.of(balances))
    assert packing is not None
    assert packing.lanes <= COLUMNS_PER_GROUP_MAX
    assert find_longest_column(balances, packing) <= COLUMN_BYTES_PLANNED
    assert len(pack_columns(balances, packing)) <= GROUPS_PLANNED < API_ROWS_MAX


def test_the_first_packing_of_an_unknown_office_holds_whatever_is_dense() -> None:
    everyone = make_dense_balances(6_000, share=0.99)
    assert find_longest_column(everyone, FIRST_PACKING) <= COLUMN_BYTES_MAX
    assert len(pack_columns(make_dense_balances(8_000), FIRST_PACKING)) <= API_ROWS_MAX
    assert FIRST_PACKING.lane_span == COLUMN_BYTES_MAX // ROW_BYTES_FIRST_GUESS
    assert FIRST_PACKING.group_span * API_ROWS_MAX == 76_800


def test_an_office_without_balances_is_planned_like_an_unknown_one() -> None:
    assert plan_packing(BalanceRows()) == FIRST_PACKING


def test_random_pat_nums_are_not_packed() -> None:
    rng = random.Random(3)
    balances = [row._replace(pat_num=rng.getrandbits(63)) for row in make_dense_balances(4_000)]
    assert plan_packing(BalanceRows.of(balances)) is None


def test_a_huge_dense_office_takes_more_than_one_statement_rather_than_pages() -> None:
    balances = make_dense_balances(60_000)
    packing = plan_packing(BalanceRows.of(balances))
    assert packing is not None
    assert packing.lanes == COLUMNS_PER_GROUP_MAX
    assert find_longest_column(balances, packing) <= COLUMN_BYTES_PLANNED


def test_the_plan_takes_no_more_columns_than_the_office_needs() -> None:
    small, large = (plan_packing(BalanceRows.of(make_dense_balances(count))) for count in (300, 8_000))
    assert small is not None
    assert large is not None
    assert small.lanes == 4
    assert large.lanes > small.lanes


def test_no_plan_is_wider_than_the_next_few_hundred_patients_allow() -> None:
    lonely = plan_packing(BalanceRows.of([Balance(2**40, 0, *[1] * 7)]))
    assert lonely is not None
    assert lonely.lane_span <= COLUMN_SPAN_MAX


def test_a_row_longer_than_a_planned_column_gets_its_own_column() -> None:
    monsters = [Balance(pat_num, 0, *[10**110] * 7) for pat_num in range(1, 30)]
    assert plan_packing(BalanceRows.of(monsters)) == Packing(1, 4)


def test_narrower_halves_a_column_until_it_holds_one_pat_num() -> None:
    spans = []
    packing: Packing | None = Packing(96, 32)
    while packing is not None:
        spans.append((packing.lane_span, packing.lanes))
        packing = packing.narrow()
    assert spans == [(96, 32), (48, 64), (24, 128), (12, 128), (6, 128), (3, 128), (1, 128)]


def test_rows_are_texts_of_nine_integers() -> None:
    row = Balance(7, 0, -100, 0, 1, 2, 3, 4, 5)
    assert format_row(row) == "7,0,-100,0,1,2,3,4,5"
    other = row._replace(pat_num=8)
    assert list(parse_balance_rows(f"{format_row(row)}|{format_row(other)}")) == [row, other]
    assert list(parse_balance_rows("")) == []


def test_what_was_packed_is_unpacked_in_order() -> None:
    balances = make_dense_balances(900)
    for packing in (FIRST_PACKING, Packing(1, 1), Packing(5, 3), plan_packing(BalanceRows.of(balances))):
        assert packing is not None
        assert list(parse_balance_rows(unpack_all(pack_truncated(balances, packing), packing))) == balances


def test_a_column_cut_between_two_rows_is_found_by_the_count(golden: GoldenTexts) -> None:
    cut = [(4, 3, {0: "8,0,1,1,1,1,1,1,1|9,0,1,1,1,1,1,1,1", 1: None})]
    with pytest.raises(PackedColumnTruncated) as caught:
        parse_balance_rows(unpack_all(cut, Packing(2, 2)))
    golden.check(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "777,0,1|",
        "777,0,1,1,1,1,1,1",
        "777,0,1,1,1,1,1,1,",
        "777,0,1,1,1,1,1,1,1|",
        "777,0,1,1,1,1,1,1,1,1",
        "777,0,1,1,1,1,1,1,x",
        "777,0,1,1,1,1,1,1,1.5",
        "777,0,1,1,1,1,1,1,--1",
        "777",
        "7," * 9,
    ],
)
def test_a_broken_column_is_reported_without_a_balance(text: str) -> None:
    with pytest.raises((PackedColumnTruncated, MalformedValue)) as caught:
        parse_balance_rows(unpack_all([(4, 1, {1: text})], Packing(2, 2)))
    assert "777" not in str(caught.value)


def test_rows_that_lack_a_number_do_not_borrow_it_from_others() -> None:
    uneven = "1,0,1,1,1,1,1,1|2,0,1,1,1,1,1,1,1,1"
    with pytest.raises(MalformedValue, match="nine integers"):
        parse_balance_rows(unpack_all([(0, 2, {0: uneven})], Packing(4, 1)))


def test_an_empty_group_adds_nothing() -> None:
    row = "1,0,1,1,1,1,1,1,1"
    assert unpack_all([(0, 0, {0: None}), (1, 1, {0: row}), (2, 0, {})], Packing(2, 2)) == row


def test_more_guarantors_than_counted_are_not_taken() -> None:
    with pytest.raises(PackedColumnTruncated, match="counted 0"):
        parse_balance_rows(unpack_all([(0, 0, {0: "1,0,1,1,1,1,1,1,1"})], Packing(2, 2)))
