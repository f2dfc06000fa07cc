import pytest

from oddaemon.core.model import Balance, Include
from oddaemon.core.snapshot.aging_report import (
    ReportCursor,
    ReportLength,
    ReportRow,
    combine_lengths,
    count_report_requests,
    has_inconsistent_row,
    make_balances,
)
from oddaemon.core.snapshot.verify import ZERO_TOTALS, add_totals, compute_totals

ROW = ReportRow(11, 0, 0, 0, 37_000, 37_000, 500, 26_000, 10_500)
CREDIT = ReportRow(12, 0, 0, 0, 0, -2_000, 0, 0, -2_000)
EMPTY = ReportRow(13, 0, 0, 0, 0, 0, 0, 0, 0)


def test_a_row_becomes_a_balance_without_the_missing_columns() -> None:
    assert make_balances([ROW], Include.ALL, None) == [Balance(11, 0, 0, 0, 0, 0, 37_000, 26_500, 37_000)]
    assert make_balances([ROW], Include.ALL, 4)[0].clinic_num == 4


def test_credits_are_wanted_with_all_and_not_with_debts_and_nothing_never() -> None:
    assert [each.pat_num for each in make_balances([ROW, CREDIT, EMPTY], Include.ALL, None)] == [11, 12]
    assert [each.pat_num for each in make_balances([ROW, CREDIT, EMPTY], Include.DEBTS, None)] == [11]


@pytest.mark.parametrize(("portion", "invalid"), [(10_500, False), (10_502, False), (10_503, True), (36_500, True)])
def test_columns_that_do_not_add_up_are_misunderstood_but_for_the_rounding(portion: int, *, invalid: bool) -> None:
    assert has_inconsistent_row([EMPTY, ROW._replace(patient_portion=portion)]) is invalid


def test_the_first_reading_goes_on_from_page_to_page_and_then_the_second_begins() -> None:
    assert ReportCursor().advance(100, 100, 1, []) == ReportCursor(0, 100)
    assert ReportCursor(0, 100).advance(37, 100, 1, []) == ReportCursor(again=ZERO_TOTALS)
    assert ReportCursor(0, 100).advance(0, 100, 1, []) == ReportCursor(again=ZERO_TOTALS), (
        "the list ended with its page"
    )
    assert ReportCursor(0, 100).advance(950, 100, 1, []) == ReportCursor(again=ZERO_TOTALS), (
        "a server that sends all that is left"
    )


def test_several_clinics_are_lists_one_after_another() -> None:
    assert ReportCursor().advance(3, 100, 2, []) == ReportCursor(1)
    assert ReportCursor(1).advance(3, 100, 2, []) == ReportCursor(again=ZERO_TOTALS)


def test_the_second_reading_is_summed_up_and_ends() -> None:
    page = make_balances([ROW, CREDIT], Include.ALL, None)
    half = ReportCursor(again=ZERO_TOTALS).advance(100, 100, 1, page)
    assert half == ReportCursor(0, 100, compute_totals(page))
    assert not half.is_complete(1)
    whole = half.advance(1, 100, 1, page[:1])
    assert whole == ReportCursor(1, 0, add_totals(compute_totals(page), compute_totals(page[:1])))
    assert whole.is_complete(1)
    assert not ReportCursor(1).is_complete(1)


def test_two_readings_take_two_requests_a_page() -> None:
    assert [count_report_requests(guarantors, 100) for guarantors in (0, 99, 100, 4_000)] == [2, 2, 4, 82]


@pytest.mark.parametrize("rows", [0, 1, 99, 100, 101, 400, 1000, 3912, 4132, 50_000, 500_000])
def test_a_few_pages_reveal_how_long_a_report_is(rows: int) -> None:
    length, fetches = ReportLength(), 0
    while (offset := length.get_next_offset(100)) is not None:
        fetches += 1
        length = length.refine(offset, max(0, min(100, rows - offset)), 100)
    assert fetches <= 12
    assert length.at_most is not None
    assert length.at_least <= rows <= length.at_most <= 1.25 * length.at_least


def test_several_lists_have_an_end_when_each_has() -> None:
    assert combine_lengths([ReportLength(40, 40), ReportLength(100, 120)], 2) == ReportLength(140, 160)
    assert combine_lengths([ReportLength(40, 40)], 2) == ReportLength(40, None)
    assert combine_lengths([ReportLength(40, 40), ReportLength(100)], 2) == ReportLength(140, None)
