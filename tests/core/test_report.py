import pytest

from oddaemon.core.model import Balance, Include
from oddaemon.core.report import (
    NOTHING,
    Length,
    Progress,
    ReportRow,
    added,
    balances_of,
    misunderstood,
    pages_of,
    together,
)
from oddaemon.core.verify import totals_of

ROW = ReportRow(11, 0, 0, 0, 37_000, 37_000, 500, 26_000, 10_500)
CREDIT = ReportRow(12, 0, 0, 0, 0, -2_000, 0, 0, -2_000)
EMPTY = ReportRow(13, 0, 0, 0, 0, 0, 0, 0, 0)


def test_a_row_becomes_a_balance_without_what_the_report_does_not_tell() -> None:
    assert balances_of([ROW], Include.ALL, None) == [Balance(11, 0, 0, 0, 0, 0, 37_000, 26_500, 37_000)]
    assert balances_of([ROW], Include.ALL, 4)[0].clinic_num == 4


def test_credits_are_wanted_with_all_and_not_with_debts_and_nothing_never() -> None:
    assert [each.pat_num for each in balances_of([ROW, CREDIT, EMPTY], Include.ALL, None)] == [11, 12]
    assert [each.pat_num for each in balances_of([ROW, CREDIT, EMPTY], Include.DEBTS, None)] == [11]


@pytest.mark.parametrize(("portion", "wrong"), [(10_500, False), (10_502, False), (10_503, True), (36_500, True)])
def test_columns_that_do_not_add_up_are_misunderstood_but_for_the_rounding(portion: int, *, wrong: bool) -> None:
    assert misunderstood([EMPTY, ROW._replace(patient_portion=portion)]) is wrong


def test_the_first_reading_goes_on_from_page_to_page_and_then_the_second_begins() -> None:
    assert Progress().after(100, 100, 1, []) == Progress(0, 100)
    assert Progress(0, 100).after(37, 100, 1, []) == Progress(again=NOTHING)
    assert Progress(0, 100).after(0, 100, 1, []) == Progress(again=NOTHING), "the list ended with its page"
    assert Progress(0, 100).after(950, 100, 1, []) == Progress(again=NOTHING), "a server that sends all that is left"


def test_several_clinics_are_lists_one_after_another() -> None:
    assert Progress().after(3, 100, 2, []) == Progress(1)
    assert Progress(1).after(3, 100, 2, []) == Progress(again=NOTHING)


def test_the_second_reading_is_summed_up_and_ends() -> None:
    page = balances_of([ROW, CREDIT], Include.ALL, None)
    half = Progress(again=NOTHING).after(100, 100, 1, page)
    assert half == Progress(0, 100, totals_of(page))
    assert not half.is_whole(1)
    whole = half.after(1, 100, 1, page[:1])
    assert whole == Progress(1, 0, added(totals_of(page), page[:1]))
    assert whole.is_whole(1)
    assert not Progress(1).is_whole(1)


def test_two_readings_take_two_requests_a_page() -> None:
    assert [pages_of(guarantors, 100) for guarantors in (0, 99, 100, 4_000)] == [2, 2, 4, 82]


@pytest.mark.parametrize("rows", [0, 1, 99, 100, 101, 400, 1000, 3912, 4132, 50_000, 500_000])
def test_a_few_pages_tell_how_long_a_report_is(rows: int) -> None:
    length, looks = Length(), 0
    while (offset := length.next_look(100)) is not None:
        looks += 1
        length = length.after(offset, max(0, min(100, rows - offset)), 100)
    assert looks <= 12
    assert length.at_most is not None
    assert length.at_least <= rows <= length.at_most <= 1.25 * length.at_least


def test_several_lists_have_an_end_when_each_has() -> None:
    assert together([Length(40, 40), Length(100, 120)], 2) == Length(140, 160)
    assert together([Length(40, 40)], 2) == Length(40, None)
    assert together([Length(40, 40), Length(100)], 2) == Length(140, None)
