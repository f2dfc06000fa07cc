"""A large office in little memory behaves as the list that it replaces."""

from hypothesis import given
from hypothesis import strategies as st

from oddaemon.core.model import Balance
from oddaemon.core.snapshot.balance_table import BalanceTable

INTEGERS = st.integers(-(2**63), 2**63 - 1)
BALANCES = st.builds(Balance, *[INTEGERS] * len(Balance._fields))


@given(st.lists(BALANCES, unique_by=lambda balance: balance.pat_num))
def test_a_table_equals_the_list_of_its_balances(balances: list[Balance]) -> None:
    table = BalanceTable(balances)
    assert table.sort()
    assert (list(table), len(table)) == (sorted(balances), len(balances))


@given(BALANCES, st.lists(BALANCES))
def test_a_guarantor_that_occurs_twice_is_noticed(twice: Balance, others: list[Balance]) -> None:
    assert not BalanceTable([twice, *others, twice]).sort()


@given(BALANCES, BALANCES)
def test_a_table_holds_its_rows_and_no_others(held: Balance, other: Balance) -> None:
    assert held in BalanceTable([held])
    assert (other in BalanceTable([held])) == (other == held)
