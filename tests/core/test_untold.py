import pytest

from oddaemon.core.model import Balance, Reader
from oddaemon.core.untold import ALL_TOLD, as_shown, as_told, left_out

SMITH = Balance(1, 7, 500, 100, 0, 0, 0, 0, 100)
BOTH = frozenset({"clinic_num", "est_balance"})


def test_what_is_told_is_compared_and_shown_as_it_is() -> None:
    assert as_told(SMITH, ALL_TOLD) is SMITH
    assert as_shown(SMITH, ALL_TOLD) is SMITH


@pytest.mark.parametrize(
    ("untold", "shown"),
    [
        (frozenset({"est_balance"}), (1, 7, None, 100, 0, 0, 0, 0, 100)),
        (BOTH, (1, None, None, 100, 0, 0, 0, 0, 100)),
    ],
)
def test_what_is_not_told_is_shown_as_nothing(untold: frozenset[str], shown: tuple[int | None, ...]) -> None:
    assert as_shown(SMITH, untold) == shown


def test_what_is_not_told_is_not_compared() -> None:
    assert as_told(SMITH, BOTH) == as_told(SMITH._replace(clinic_num=0, est_balance=0), BOTH)
    assert as_told(SMITH, BOTH) != as_told(SMITH._replace(bal_total=99), BOTH)


def test_of_whom_nothing_is_told_there_is_no_balance() -> None:
    own_alone = Balance(1, 7, 500, 0, 0, 0, 0, 0, 0)
    assert as_told(own_alone, BOTH) is None
    assert as_told(own_alone, ALL_TOLD) is own_alone


def test_a_report_leaves_out_what_is_nothing_in_each_of_its_rows() -> None:
    report = [SMITH._replace(est_balance=0), SMITH._replace(pat_num=2, clinic_num=0, est_balance=0)]
    assert left_out(Reader.REPORT, report) == {"est_balance"}
    assert left_out(Reader.REPORT, report[1:]) == BOTH
    assert left_out(Reader.STATEMENT, report[1:]) == ALL_TOLD
