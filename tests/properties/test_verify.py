"""What is proved is what the office holds: nothing else has the same totals."""

from datetime import UTC, datetime
from zlib import crc32

from hypothesis import given
from hypothesis import strategies as st

from oddaemon.core.model import AgingMark, Balance, ControlQueryResult
from oddaemon.core.snapshot.verify import compute_totals, find_aging_change, find_difference

NOW = datetime(2026, 5, 5, tzinfo=UTC).replace(tzinfo=None)

numbers = st.integers(-(10**12), 10**12)
rows_of_an_office = st.lists(
    st.builds(Balance, st.integers(1, 10**6), st.integers(0, 9), *[numbers] * 7),
    max_size=20,
    unique_by=lambda row: row.pat_num,
)


def make_control(rows: list[Balance], date_last_aging: str = "", aging_begin: str = "") -> ControlQueryResult:
    return ControlQueryResult(compute_totals(rows), date_last_aging, aging_begin, NOW, NOW)


@given(rows_of_an_office)
def test_totals_are_what_the_servers_own_arithmetic_gives(rows: list[Balance]) -> None:
    found = compute_totals(rows)
    assert found[0] == len(rows)
    assert list(found[1:8]) == [sum(row[column] for row in rows) for column in range(2, 9)]
    assert found.checksum == sum(crc32(",".join(str(cell) for cell in row).encode()) for row in rows)


@given(rows_of_an_office, st.data())
def test_the_order_of_rows_makes_no_difference(rows: list[Balance], data: st.DataObject) -> None:
    assert find_difference(compute_totals(data.draw(st.permutations(rows))), make_control(rows).totals) is None


@given(rows_of_an_office.filter(bool), st.data())
def test_any_one_number_that_differs_is_noticed(rows: list[Balance], data: st.DataObject) -> None:
    place, column = data.draw(st.integers(0, len(rows) - 1)), data.draw(st.integers(0, 8))
    changed = [*rows]
    cells = list(rows[place])
    cells[column] += data.draw(st.integers(-1_000, 1_000).filter(bool))
    changed[place] = Balance._make(cells)
    assert find_difference(compute_totals(changed), make_control(rows).totals) is not None


@given(rows_of_an_office.filter(bool), st.data())
def test_a_lost_or_doubled_row_is_noticed(rows: list[Balance], data: st.DataObject) -> None:
    row = data.draw(st.sampled_from(rows))
    for invalid in ([each for each in rows if each != row], [*rows, row]):
        assert "guarantors were read" in (find_difference(compute_totals(invalid), make_control(rows).totals) or "")


@given(rows_of_an_office, rows_of_an_office)
def test_a_difference_is_reported_without_an_amount(rows: list[Balance], others: list[Balance]) -> None:
    message = find_difference(compute_totals(rows), make_control(others).totals)
    assert (message is None) is (sorted(rows) == sorted(others))
    amounts = {str(abs(cell)) for row in rows + others for cell in row[2:] if abs(cell) > 100}
    assert not any(amount in (message or "") for amount in amounts)


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_aging_stands_still_only_where_both_marks_do(date: str, begin: str, date_now: str, begin_now: str) -> None:
    assert find_aging_change(AgingMark(date, begin), make_control([], date, begin)) is None
    change = find_aging_change(AgingMark("2026-05-05", ""), make_control([], date_now, begin_now))
    if change is None:
        assert date_now.strip().startswith("2026-05-05")
        assert not begin_now.strip() or begin_now.strip().startswith("0001-01-01")
