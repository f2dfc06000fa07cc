from datetime import UTC, datetime
from zlib import crc32

import pytest

from oddaemon.core.model import MONEY_COLUMNS, AgingMark, Balance, ControlQueryResult, ControlTotals
from oddaemon.core.snapshot.packing import format_row
from oddaemon.core.snapshot.verify import compute_totals, find_aging_change, find_difference
from tests.golden import GoldenTexts

NOW = datetime(2026, 5, 5, 2, 30, tzinfo=UTC).replace(tzinfo=None)
ROWS = (Balance(3, 0, 1, 2, 3, 4, 5, 6, 7), Balance(9, 2, -10, 20, 30, 40, 50, 60, -70))


def make_control(
    totals: ControlTotals, date_last_aging: str = "2026-05-05", aging_begin: str = ""
) -> ControlQueryResult:
    return ControlQueryResult(totals, date_last_aging, aging_begin, NOW, NOW)


def test_totals_are_a_count_seven_sums_and_the_checksum_of_the_texts() -> None:
    checksum = crc32(b"3,0,1,2,3,4,5,6,7") + crc32(b"9,2,-10,20,30,40,50,60,-70")
    assert compute_totals(ROWS) == ControlTotals(2, -9, 22, 33, 44, 55, 66, -63, checksum)
    assert sum(crc32(format_row(row).encode()) for row in ROWS) == checksum


def test_an_office_without_balances_adds_up_to_nothing() -> None:
    assert compute_totals(()) == ControlTotals(0, 0, 0, 0, 0, 0, 0, 0, 0)
    assert find_difference(compute_totals(()), make_control(compute_totals(())).totals) is None


def test_balances_equal_to_the_control_are_proved_in_any_order() -> None:
    assert find_difference(compute_totals(ROWS[::-1]), make_control(compute_totals(ROWS)).totals) is None


def test_a_lost_row_is_reported_by_its_count(golden: GoldenTexts) -> None:
    golden.check(find_difference(compute_totals(ROWS[:1]), make_control(compute_totals(ROWS)).totals))


@pytest.mark.parametrize("column", MONEY_COLUMNS)
def test_a_wrong_cent_is_reported_by_its_column_and_never_by_its_amount(column: str, golden: GoldenTexts) -> None:
    invalid = (ROWS[0]._replace(**{column: 987_654}), ROWS[1])
    golden.check(find_difference(compute_totals(invalid), make_control(compute_totals(ROWS)).totals))


def test_two_errors_that_cancel_each_other_are_seen() -> None:
    altered = (ROWS[0]._replace(bal_total=8), ROWS[1]._replace(bal_total=-71))
    assert "cancel" in (find_difference(compute_totals(altered), make_control(compute_totals(ROWS)).totals) or "")


def test_a_balance_under_another_guarantors_name_is_seen() -> None:
    swapped = (ROWS[0]._replace(pat_num=9), ROWS[1]._replace(pat_num=3))
    assert find_difference(compute_totals(swapped), make_control(compute_totals(ROWS)).totals) is not None


@pytest.mark.parametrize(
    ("expected", "date_last_aging", "aging_begin", "message"),
    [
        (AgingMark("2026-05-05", ""), "2026-05-05", "", None),
        (AgingMark("2026-05-05", ""), "2026-05-05T00:00:00", "0001-01-01T00:00:00", None),
        (AgingMark("2026-05-05", "2026-05-01 02:00:00"), "2026-05-05", "2026-05-01T02:00:00", None),
        (AgingMark("2026-05-05", ""), "2026-05-06", "", "aging moved from 2026-05-05 to 2026-05-06"),
        (AgingMark("", ""), "2026-05-06", "", "aging moved from never to 2026-05-06"),
        (AgingMark("2026-05-05", ""), "", "", "aging moved from 2026-05-05 to never"),
        (AgingMark("2026-05-05", ""), "2026-05-05", "2026-05-05 09:00:00", "a run of aging began or ended"),
        (AgingMark("2026-05-05", "2026-05-05 09:00:00"), "2026-05-05", "", "a run of aging began or ended"),
        (AgingMark("2026-05-05", ""), "2026-05-05", "nonsense", "a run of aging began or ended"),
    ],
)
def test_aging_that_changed_during_a_pull_is_reported(
    expected: AgingMark, date_last_aging: str, aging_begin: str, message: str | None
) -> None:
    assert find_aging_change(expected, make_control(compute_totals(()), date_last_aging, aging_begin)) == message
