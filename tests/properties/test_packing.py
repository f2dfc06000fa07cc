"""Packing has an inverse; a server that cuts is either noticed at once or by the totals."""

from collections.abc import Sequence
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from oddaemon.core.model import Balance, ControlQueryResult
from oddaemon.core.snapshot.balance_rows import BalanceRows
from oddaemon.core.snapshot.packing import (
    COLUMN_BYTES_PLANNED,
    GROUPS_PLANNED,
    GUARANTORS_PER_GROUP_MIN,
    PackedColumnTruncated,
    Packing,
    format_row,
    plan_packing,
)
from oddaemon.core.snapshot.verify import compute_totals, find_difference
from oddaemon.opendental.decode import parse_balance_rows
from oddaemon.opendental.decode_values import MalformedValue
from tests.core.snapshot.packing_server import pack_columns, pack_truncated, unpack_all

NOW = datetime(2026, 5, 5, tzinfo=UTC).replace(tzinfo=None)

cents = st.integers(-(10**9), 10**9)
pat_nums = st.integers(1, 3_000) | st.integers(1, 2**63 - 1)
balances = st.lists(
    st.builds(Balance, pat_nums, st.integers(0, 90), cents, cents, cents, cents, cents, cents, cents),
    max_size=120,
    unique_by=lambda row: row.pat_num,
).map(sorted)
packings = st.builds(Packing, st.integers(1, 400), st.integers(1, 24))


def make_control(rows: Sequence[Balance]) -> ControlQueryResult:
    return ControlQueryResult(compute_totals(rows), "2026-05-05", "", NOW, NOW)


@given(balances.filter(bool))
def test_a_row_has_an_inverse(rows: list[Balance]) -> None:
    assert list(parse_balance_rows("|".join(map(format_row, rows)))) == rows


@given(balances, packings)
def test_packing_has_an_inverse(rows: list[Balance], packing: Packing) -> None:
    assert list(parse_balance_rows(unpack_all(pack_truncated(rows, packing), packing))) == rows


@given(balances, packings, st.integers(1, 1_100))
def test_a_server_that_cuts_never_brings_a_wrong_snapshot_that_verifies(
    rows: list[Balance], packing: Packing, column_bytes_max: int
) -> None:
    try:
        found = parse_balance_rows(unpack_all(pack_truncated(rows, packing, column_bytes_max), packing))
    except (PackedColumnTruncated, MalformedValue):
        return
    if find_difference(found.totals, make_control(rows).totals) is None:
        assert list(found) == rows


@given(balances.filter(bool), packings, st.data())
def test_one_column_truncated_anywhere_is_noticed(rows: list[Balance], packing: Packing, data: st.DataObject) -> None:
    groups = pack_truncated(rows, packing)
    group, count, columns = data.draw(st.sampled_from(groups))
    column, text = data.draw(st.sampled_from([(lane, text) for lane, text in columns.items() if text]))
    cut = text[: data.draw(st.integers(0, len(text) - 1))]
    damaged = [(group, count, {**columns, column: cut}) if each[0] == group else each for each in groups]
    try:
        found = parse_balance_rows(unpack_all(damaged, packing))
    except (PackedColumnTruncated, MalformedValue):
        return
    assert find_difference(found.totals, make_control(rows).totals) is not None


@given(balances)
def test_a_plan_keeps_its_columns_short_and_its_rows_worthwhile(rows: list[Balance]) -> None:
    packing = plan_packing(BalanceRows.of(rows))
    if packing is None or not rows:
        return
    groups = pack_columns(rows, packing)
    assert len(groups) <= GROUPS_PLANNED or len(rows) >= GUARANTORS_PER_GROUP_MIN * len(groups)
    assert max(len(text) for _, _, columns in groups for text in columns.values() if text) <= COLUMN_BYTES_PLANNED
    assert packing.group_span < 2**63
