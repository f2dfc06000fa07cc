import pytest

from oddaemon.core.model import Balance, Reader
from oddaemon.core.snapshot.missing_columns import (
    NONE_MISSING,
    find_missing_columns,
    mask_missing_columns,
    to_comparable,
)

SMITH = Balance(1, 7, 500, 100, 0, 0, 0, 0, 100)
BOTH = frozenset({"clinic_num", "est_balance"})


def test_complete_columns_are_compared_and_shown() -> None:
    assert to_comparable(SMITH, NONE_MISSING) is SMITH
    assert mask_missing_columns(SMITH, NONE_MISSING) is SMITH


@pytest.mark.parametrize(
    ("missing", "shown"),
    [
        (frozenset({"est_balance"}), (1, 7, None, 100, 0, 0, 0, 0, 100)),
        (BOTH, (1, None, None, 100, 0, 0, 0, 0, 100)),
    ],
)
def test_missing_columns_are_shown_as_null(missing: frozenset[str], shown: tuple[int | None, ...]) -> None:
    assert mask_missing_columns(SMITH, missing) == shown


def test_missing_columns_are_not_compared() -> None:
    assert to_comparable(SMITH, BOTH) == to_comparable(SMITH._replace(clinic_num=0, est_balance=0), BOTH)
    assert to_comparable(SMITH, BOTH) != to_comparable(SMITH._replace(bal_total=99), BOTH)


def test_a_guarantor_without_any_known_amount_has_no_balance() -> None:
    own_alone = Balance(1, 7, 500, 0, 0, 0, 0, 0, 0)
    assert to_comparable(own_alone, BOTH) is None
    assert to_comparable(own_alone, NONE_MISSING) is own_alone


def test_a_report_leaves_out_what_is_nothing_in_each_of_its_rows() -> None:
    report = [SMITH._replace(est_balance=0), SMITH._replace(pat_num=2, clinic_num=0, est_balance=0)]
    assert find_missing_columns(Reader.REPORT, report) == {"est_balance"}
    assert find_missing_columns(Reader.REPORT, report[1:]) == BOTH
    assert find_missing_columns(Reader.STATEMENT, report[1:]) == NONE_MISSING
