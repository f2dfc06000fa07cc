"""Rows of balances behave as the balances in them, and their totals are always those of the rows."""

from collections.abc import Sequence
from itertools import chain
from zlib import crc32

from hypothesis import given
from hypothesis import strategies as st

from oddaemon.core.model import Balance, index_balances
from oddaemon.core.snapshot.balance_rows import BalanceRows
from oddaemon.core.snapshot.packing import format_row
from oddaemon.core.snapshot.verify import compute_totals

INTEGERS = st.integers(-(2**63), 2**63 - 1)
BALANCES = st.builds(Balance, st.integers(1, 30), *[INTEGERS] * (len(Balance._fields) - 1))
SMITH = Balance(3, 0, 1, 2, 3, 4, 5, 6, 7)
JONES = Balance(9, 2, -10, 20, 30, 40, 50, 60, -70)


def parse(balances: Sequence[Balance], checksum: int | None = None) -> BalanceRows:
    texts = [format_row(balance).encode() for balance in balances]
    return BalanceRows.from_numbers(texts, list(chain.from_iterable(balances)), checksum)


@given(st.lists(st.one_of(st.lists(BALANCES, max_size=8), st.integers(1, 30)), max_size=8))
def test_rows_are_what_a_dictionary_would_be_and_add_up(steps: list[list[Balance] | int]) -> None:
    rows, wanted = BalanceRows(), dict[int, Balance]()
    for step in steps:
        if isinstance(step, int):
            rows.discard(step)
            wanted.pop(step, None)
        else:
            rows.update(parse(step))
            wanted.update(index_balances(step))
        assert rows.totals == compute_totals(wanted.values())
        assert rows == BalanceRows.of(wanted.values())
    rows.sort()
    assert list(rows) == sorted(wanted.values())
    assert list(rows.texts) == sorted(wanted)


@given(st.lists(BALANCES))
def test_decoded_texts_are_the_rows_of_their_balances(balances: list[Balance]) -> None:
    assert parse(balances) == BalanceRows.of(balances)
    assert parse(balances).totals == BalanceRows.of(balances).totals


def test_the_checksum_is_that_of_the_texts_as_they_came() -> None:
    assert parse([SMITH, JONES]).totals.checksum == crc32(b"3,0,1,2,3,4,5,6,7") + crc32(b"9,2,-10,20,30,40,50,60,-70")
    assert parse([SMITH, JONES], 17).totals == (*compute_totals([SMITH, JONES])[:-1], 17)


def test_rows_are_not_made_again_of_rows() -> None:
    rows = BalanceRows.of([SMITH])
    assert BalanceRows.of(rows) is rows


def test_rows_hold_their_balances_and_no_others() -> None:
    rows = BalanceRows.of([SMITH])
    assert SMITH in rows
    assert JONES not in rows
    assert SMITH._replace(bal_total=8) not in rows
    assert rows != [SMITH]


def test_no_balance_is_shown() -> None:
    assert "3,0,1" not in repr(BalanceRows.of([SMITH]))
