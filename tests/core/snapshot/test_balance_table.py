"""A large office in little memory behaves as the mapping that it replaces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddaemon.core.model import Balance, index_balances
from oddaemon.core.snapshot.balance_table import BalanceTable

INTEGERS = st.integers(-(2**63), 2**63 - 1)
BALANCES = st.builds(Balance, *[INTEGERS] * len(Balance._fields))


@given(st.lists(BALANCES, unique_by=lambda balance: balance.pat_num))
def test_a_table_equals_the_mapping_of_its_balances(balances: list[Balance]) -> None:
    table, wanted = BalanceTable(balances), index_balances(balances)
    assert table.sort()
    assert (list(table), list(table.values()), len(table)) == (list(wanted), list(wanted.values()), len(wanted))
    assert [table[pat_num] for pat_num in wanted] == list(wanted.values())
    assert dict(table) == wanted


@given(BALANCES, st.lists(BALANCES))
def test_a_guarantor_that_occurs_twice_is_noticed(twice: Balance, others: list[Balance]) -> None:
    assert not BalanceTable([twice, *others, twice]).sort()


def test_a_guarantor_who_is_not_there_is_no_key() -> None:
    table = BalanceTable([Balance(2, 0, 0, 0, 0, 0, 0, 0, 0)])
    for absent in (1, 3):
        with pytest.raises(KeyError):
            table[absent]
