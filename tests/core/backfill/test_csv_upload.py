import tracemalloc
from collections.abc import Iterable, Iterator

import pytest

from oddaemon.core.backfill.csv_upload import (
    LINE_CHARACTERS_MAX,
    InvalidUpload,
    SurplusRows,
    find_header,
    parse_balances,
    parse_control_totals,
    parse_header,
)
from oddaemon.core.model import Balance, ControlTotals
from oddaemon.core.snapshot.verify import compute_totals, find_difference
from tests.golden import GoldenTexts

COLUMNS = "PatNum,patName,EstBalance,Bal_0_30,Bal_31_60,Bal_61_90,BalOver90,InsEst,BalTotal,ClinicNum"
ELM = "11,Elm,1.50,10.25,0,0,0,2.5,10.25,3"
OAK = "7,Oak,0,0,0,0,370,0,370,0"
ELMS = Balance(11, 3, 150, 1025, 0, 0, 0, 250, 1025)
OAKS = Balance(7, 0, 0, 0, 0, 0, 37_000, 0, 37_000)


def read_all(lines: Iterable[str]) -> list[Balance]:
    return list(parse_balances(lines, rows_max=2))


def parse_lines(*lines: str, columns: str = COLUMNS) -> list[Balance]:
    return read_all(f"{line}\n" for line in (columns, *lines))


def test_rows_come_ordered_by_guarantor() -> None:
    assert parse_lines(ELM, OAK) == [OAKS, ELMS]


def test_line_ends_a_byte_order_mark_and_empty_lines_say_nothing() -> None:
    lines = [f"\ufeff{COLUMNS}\r\n", f"{ELM}\r\n", "\r\n", f"{OAK}\r\n"]
    assert read_all(lines) == [OAKS, ELMS]


def test_quotes_may_be_there_or_not() -> None:
    assert parse_lines('"11","Elm, Ann","1.50","10.25","0","0","0","2.5","10.25","3"') == [ELMS]


def test_a_stray_comma_in_a_text_moves_no_number() -> None:
    """The cells behind the name are counted from the right, and those before it from the left."""
    assert parse_lines("11,Elm, Ann, the younger,1.50,10.25,0,0,0,2.5,10.25,3") == [ELMS]
    assert parse_lines('11,Elm "Ann, 1.50,10.25,0,0,0,2.5,10.25,3') == [ELMS]


def test_a_number_between_two_texts_is_refused_where_a_comma_is_too_many(golden: GoldenTexts) -> None:
    columns = f"{COLUMNS},note"
    assert parse_lines(f"{ELM},x", columns=columns) == [ELMS]
    with pytest.raises(InvalidUpload) as caught:
        parse_lines("11,Elm, Ann,1.50,10.25,0,0,0,2.5,10.25,3,x", columns=columns)
    golden.check(caught.value)


def test_without_any_text_a_row_that_is_too_long_is_refused() -> None:
    columns = COLUMNS.replace(",patName", "")
    assert parse_lines(ELM.replace(",Elm", ""), columns=columns) == [ELMS]
    with pytest.raises(InvalidUpload, match="too many"):
        parse_lines(ELM.replace(",Elm", "") + ",4", columns=columns)


@pytest.mark.parametrize(
    "lines", [["x" * LINE_CHARACTERS_MAX + "\n"], [f"{COLUMNS}\n", "1," + "x" * LINE_CHARACTERS_MAX]]
)
def test_a_line_without_end_is_refused(lines: list[str], golden: GoldenTexts) -> None:
    with pytest.raises(InvalidUpload) as caught:
        read_all(lines)
    golden.check(caught.value)


def test_a_row_that_is_too_short_is_refused(golden: GoldenTexts) -> None:
    with pytest.raises(InvalidUpload) as caught:
        parse_lines(OAK, "11,Elm")
    golden.check(caught.value)


@pytest.mark.parametrize("columns", ["patnum", "Patnum", "PatNum"])
def test_columns_are_known_however_they_are_written(columns: str) -> None:
    names = f"{columns},bal_0_30,Bal 31 60,bal_61_90,bal_over_90,InsWoEst,InsPayEst,BALTOTAL"
    assert parse_lines("5,1,2,3,4,0.5,0.25,10", columns=names) == [Balance(5, 0, 0, 100, 200, 300, 400, 75, 1000)]


def test_the_guarantor_beside_the_patient_is_no_second_patient() -> None:
    assert parse_lines(f"{ELM},11", columns=f"{COLUMNS},Guarantor") == [ELMS]


def test_missing_columns_are_all_named(golden: GoldenTexts) -> None:
    with pytest.raises(InvalidUpload) as caught:
        parse_header("PatNum,Bal_0_30,Bal_61_90,BalOver90,InsWoEst")
    golden.check(caught.value)


def test_a_column_named_twice_is_refused(golden: GoldenTexts) -> None:
    with pytest.raises(InvalidUpload) as caught:
        parse_header(f"{COLUMNS},BalTotal")
    golden.check(caught.value)


def test_a_guarantor_who_comes_twice_is_refused() -> None:
    with pytest.raises(InvalidUpload, match="repeats a guarantor"):
        parse_lines(ELM, ELM)


def test_ok_alone_means_no_rows() -> None:
    for lines in (["OK"], ["OK\r\n"]):
        assert find_header(lines) is None
        assert read_all(lines) == []
    with pytest.raises(InvalidUpload, match="has more lines"):
        read_all(["OK\n", f"{ELM}\n"])


def test_a_header_without_rows_is_no_header() -> None:
    assert find_header([f"{COLUMNS}\n", "\r\n"]) is None
    assert find_header([f"{COLUMNS}\n", f"{ELM}\n"]) == parse_header(COLUMNS)


def test_more_rows_than_the_office_counts_are_not_read(golden: GoldenTexts) -> None:
    def flood() -> Iterator[str]:
        yield f"{COLUMNS}\n"
        for pat_num in range(3):
            yield f"{pat_num}{ELM.removeprefix('11')}\n"
        pytest.fail("it goes on reading")

    with pytest.raises(SurplusRows) as caught:
        read_all(flood())
    golden.check(caught.value)


@pytest.mark.parametrize("lines", [[], [""], ["PatNum"], [f"{COLUMNS}\n", ELM]])
def test_a_file_that_ends_within_a_line_is_not_whole(lines: list[str]) -> None:
    with pytest.raises(InvalidUpload, match="ends within"):
        read_all(lines)


@pytest.mark.parametrize("invalid", ["", "x", "1e400", "1,5", "NaN", "9" * 17, "0x1"])
def test_an_amount_that_is_none_is_refused_without_being_shown(invalid: str) -> None:
    with pytest.raises(InvalidUpload, match=r"line 2 has") as caught:
        parse_lines(f'11,Elm,"{invalid}",10.25,0,0,0,2.5,10.25,3')
    assert not invalid or invalid not in str(caught.value)


@pytest.mark.parametrize("invalid", ["-1", "1.5", "", "x"])
def test_a_guarantor_is_a_whole_number(invalid: str) -> None:
    with pytest.raises(InvalidUpload, match="no whole number"):
        parse_lines(f"{invalid},Elm,1.50,10.25,0,0,0,2.5,10.25,3")


def test_the_offices_own_count_proves_the_rows(golden: GoldenTexts) -> None:
    header = parse_header(COLUMNS)
    totals = parse_control_totals("2,150,1025,0,0,37000.0,250,38025\r\n", header)
    assert totals == ControlTotals(2, 150, 1025, 0, 0, 37_000, 250, 38_025, 0)
    assert find_difference(compute_totals([OAKS, ELMS], 0), totals) is None
    golden.check(find_difference(compute_totals([ELMS], 0), totals))
    golden.check(find_difference(compute_totals([OAKS, ELMS._replace(bal_total=1)], 0), totals))


def test_a_file_without_rows_is_counted_too(golden: GoldenTexts) -> None:
    assert parse_control_totals("0\r\n", None) == ControlTotals(0, 0, 0, 0, 0, 0, 0, 0, 0)
    golden.check(find_difference(compute_totals([], 0), parse_control_totals('"40"', None)))


def test_insurance_in_two_columns_is_counted_in_two() -> None:
    header = parse_header("PatNum,Bal_0_30,Bal_31_60,Bal_61_90,BalOver90,InsWoEst,InsPayEst,BalTotal")
    assert parse_control_totals("1,1,2,3,4,5,6,10", header).ins_est == 11


@pytest.mark.parametrize("line", ["", "2", "2,1,2,3,4,5,6", "2,150,1025,0,0,x,250,38025", "2,1.5,1025,0,0,0,250,38025"])
def test_a_count_that_is_none_is_refused(line: str) -> None:
    with pytest.raises(InvalidUpload):
        parse_control_totals(line, parse_header(COLUMNS))


def test_a_large_file_takes_a_hundred_bytes_a_row() -> None:
    rows = 5_000
    lines = [f"{COLUMNS}\n", *(f"{pat_num}{ELM.removeprefix('11')}\n" for pat_num in range(rows))]
    parse_balances(lines, rows)  # what the parser itself needs
    tracemalloc.start()
    try:
        balances = parse_balances(lines, rows)
        taken_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(balances) == rows
    assert taken_bytes < rows * 100
