import pytest

from oddaemon.core.model import Balance
from oddaemon.core.untold import ALL_TOLD, as_shown, as_told

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
