"""What cannot be known from outside is a hint, and no one is blamed for it."""

from dataclasses import replace

import pytest

from oddaemon.core.diagnostics.diagnosis import CheckName, CheckOutcome, RegisteredKeys
from oddaemon.core.failures.failure import Failure, FailureKind
from oddaemon.core.model import ControlQueryResult, Include, Owner, Reader
from tests.core.diagnostics.sample_observations import (
    find_check,
    make_checked_office,
    make_observations,
    observe_preferences,
)


def test_a_list_of_keys_at_the_office_is_a_hint_and_no_letter() -> None:
    found = find_check(CheckName.OUR_KEY, make_observations(registered_keys=RegisteredKeys(ours=False, count=2)))
    assert (found.owner, found.message) == (None, "")


def test_the_table_itself_says_whether_aging_was_missed() -> None:
    stale = observe_preferences(DateLastAging="2026-01-01")
    assert isinstance(stale.control, ControlQueryResult)
    assert find_check(CheckName.AGING, stale).outcome is CheckOutcome.OK
    assert find_check(CheckName.AGING, replace(stale, control=None)).outcome is CheckOutcome.FAILED


def test_a_query_user_who_may_read_patients_only_is_enough() -> None:
    restricted = make_observations(control=Failure(FailureKind.QUERY_USER_RESTRICTED, "denied"))
    assert find_check(CheckName.QUERIES, restricted).outcome is CheckOutcome.OK
    nothing = replace(restricted, density=Failure(FailureKind.QUERY_USER_RESTRICTED, "denied"))
    found = find_check(CheckName.QUERIES, nothing)
    assert (found.outcome, found.owner) == (CheckOutcome.FAILED, Owner.OFFICE)
    assert "OpenDentalWebConfig.xml" in found.message


@pytest.mark.parametrize(
    ("rows", "below_zero", "include", "suspicious"),
    [
        (200, 0, Include.ALL, True),
        (200, 1, Include.ALL, False),
        (10, 0, Include.ALL, False),
        (200, 0, Include.DEBTS, False),
    ],
)
def test_a_report_without_any_credit_seems_to_leave_them_out(
    rows: int, below_zero: int, include: Include, *, suspicious: bool
) -> None:
    observed = make_observations(report_rows=rows, report_credits=below_zero)
    found = find_check(CheckName.READER, observed, make_checked_office(reader=Reader.REPORT, include=include))
    assert found.outcome is CheckOutcome.OK
    assert ("credits seem not to be reported" in found.sentence) is suspicious
