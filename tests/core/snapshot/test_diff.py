from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddaemon.core.model import Balance, ChangeKind, index_balances
from oddaemon.core.snapshot.diff import GuarantorChange, SnapshotChanges, diff, iter_changes
from oddaemon.core.snapshot.missing_columns import OPTIONAL_COLUMNS, to_comparable
from tests.core.apply_changes import apply_changes

SMITH = Balance(1, 0, 100, 100, 0, 0, 0, 0, 100)
JONES = Balance(2, 0, 200, 0, 200, 0, 0, 0, 200)
BROWN = Balance(3, 0, -50, 0, 0, 0, 0, 0, -50)


def test_every_guarantor_is_new_in_the_first_snapshot() -> None:
    assert diff({}, index_balances((SMITH, JONES))) == SnapshotChanges(new=(SMITH, JONES))


def test_who_vanishes_is_cleared_as_they_last_were() -> None:
    assert diff(index_balances((SMITH, BROWN)), index_balances((SMITH,))) == SnapshotChanges(cleared=(BROWN,))


def test_who_differs_in_any_column_is_changed_from_and_to() -> None:
    changed = SMITH._replace(clinic_num=7)
    assert diff(index_balances((SMITH, JONES)), index_balances((changed, JONES))) == SnapshotChanges(
        changed=((SMITH, changed),)
    )


def test_nothing_comes_of_equal_snapshots() -> None:
    assert diff(index_balances((SMITH, JONES)), index_balances((JONES, SMITH))) == SnapshotChanges()


def test_applying_changes_leads_to_the_later_snapshot_in_its_order() -> None:
    before, after = index_balances((SMITH, BROWN)), index_balances((SMITH._replace(bal_total=1), JONES))
    assert list(apply_changes(before, diff(before, after)).items()) == list(after.items())


@pytest.mark.parametrize(
    "changes",
    [
        SnapshotChanges(new=(SMITH,)),
        SnapshotChanges(changed=((JONES, SMITH),)),
        SnapshotChanges(cleared=(SMITH._replace(bal_total=1),)),
    ],
    ids=["new but known", "changed from something else", "cleared from something else"],
)
def test_changes_are_not_applied_to_a_snapshot_that_they_were_not_made_from(
    changes: SnapshotChanges,
) -> None:
    with pytest.raises(ValueError, match="other balances"):
        apply_changes(index_balances((SMITH,)), changes)


def test_changes_hide_the_rows_from_logs() -> None:
    assert (
        repr(diff(index_balances((SMITH, JONES)), index_balances((BROWN, JONES._replace(bal_total=1)))))
        == "SnapshotChanges()"
    )


def test_a_difference_says_whose_it_is() -> None:
    someone = Balance(7, 0, 1, 1, 0, 0, 0, 0, 1)
    assert GuarantorChange(ChangeKind.NEW, None, someone).pat_num == 7
    assert GuarantorChange(ChangeKind.CLEARED, someone, None, date(2026, 3, 2)).pat_num == 7


ROWS = st.dictionaries(st.integers(1, 6), st.tuples(*[st.integers(0, 1)] * 8), max_size=6).map(
    lambda rows: {pat_num: Balance(pat_num, *rows[pat_num]) for pat_num in sorted(rows)}
)
DAY = date(2025, 12, 31)


@given(before=ROWS, after=ROWS)
def test_streamed_and_in_memory_comparison_give_the_same_changes(
    before: dict[int, Balance], after: dict[int, Balance]
) -> None:
    found = list(iter_changes(iter(before.values()), iter(after.values()), lambda _: DAY))
    in_memory = diff(before, after)
    wanted = [GuarantorChange(ChangeKind.NEW, None, each) for each in in_memory.new]
    wanted += [GuarantorChange(ChangeKind.CHANGED, *each) for each in in_memory.changed]
    wanted += [GuarantorChange(ChangeKind.CLEARED, each, None, DAY) for each in in_memory.cleared]
    assert found == sorted(wanted, key=lambda each: each.pat_num)


@given(before=ROWS, after=ROWS, missing=st.sets(st.sampled_from(OPTIONAL_COLUMNS), min_size=1).map(frozenset))
def test_columns_missing_from_one_snapshot_make_no_change(
    before: dict[int, Balance], after: dict[int, Balance], missing: frozenset[str]
) -> None:
    def strip_columns(rows: dict[int, Balance]) -> list[Balance]:
        return [left for each in rows.values() if (left := to_comparable(each, missing)) is not None]

    found = iter_changes(before.values(), after.values(), lambda _: DAY, missing)
    wanted = iter_changes(strip_columns(before), strip_columns(after), lambda _: DAY)
    assert [(each.change, each.pat_num) for each in found] == [(each.change, each.pat_num) for each in wanted]
