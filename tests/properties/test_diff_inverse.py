from hypothesis import given
from hypothesis import strategies as st

from oddaemon.core.model import Balance
from oddaemon.core.snapshot.diff import diff
from tests.core.apply_changes import apply_changes

CENTS = st.integers(-3, 3)
BALANCES = st.dictionaries(st.integers(1, 12), st.tuples(*[CENTS] * 8)).map(
    lambda rows: {pat_num: Balance(pat_num, *rows[pat_num]) for pat_num in sorted(rows)}
)


@given(before=BALANCES, after=BALANCES)
def test_apply_undoes_diff(before: dict[int, Balance], after: dict[int, Balance]) -> None:
    assert apply_changes(before, diff(before, after)) == after


@given(before=BALANCES, after=BALANCES)
def test_every_guarantor_is_new_changed_cleared_or_the_same(
    before: dict[int, Balance], after: dict[int, Balance]
) -> None:
    changes = diff(before, after)
    same = {pat_num for pat_num in before.keys() & after.keys() if before[pat_num] == after[pat_num]}
    parts = [
        {balance.pat_num for balance in changes.new},
        {earlier.pat_num for earlier, _ in changes.changed},
        {balance.pat_num for balance in changes.cleared},
        same,
    ]
    assert set().union(*parts) == before.keys() | after.keys()
    assert sum(map(len, parts)) == len(before.keys() | after.keys())


@given(before=BALANCES, after=BALANCES)
def test_the_way_back_is_the_way_forth_reversed(before: dict[int, Balance], after: dict[int, Balance]) -> None:
    forth, back = diff(before, after), diff(after, before)
    assert set(forth.new) == set(back.cleared)
    assert set(forth.cleared) == set(back.new)
    assert {(later, earlier) for earlier, later in forth.changed} == set(back.changed)
