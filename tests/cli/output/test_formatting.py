from datetime import UTC, datetime, timedelta

import pytest

from oddaemon.cli.output.formatting import (
    CONDITION_STYLES,
    format_instant,
    format_relative,
)
from oddaemon.core.model import Condition, Owner
from oddaemon.core.office.status import OWNER_NAMES, WORST_FIRST
from oddaemon.core.reporting.formatting import format_amount, format_duration

NOW = datetime(2026, 3, 8, 6, 59, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (172_799, "47 h"),
        (172_800, "2 d"),
        (-90, "1 min"),
    ],
)
def test_durations_have_one_unit(seconds: float, text: str) -> None:
    assert format_duration(timedelta(seconds=seconds)) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(720, "in 12 min"), (0.4, "now"), (-60, "now"), (-61, "1 min ago"), (-7200, "2 h ago")]
)
def test_the_next_action_is_ahead_or_overdue(seconds: float, text: str) -> None:
    assert format_relative(NOW + timedelta(seconds=seconds), NOW) == text


@pytest.mark.usefixtures("in_new_york")
def test_instants_are_shown_on_the_reader_s_clock_across_the_change_of_time() -> None:
    assert format_instant(NOW) == "2026-03-08 01:59:30 EST"
    assert format_instant(NOW + timedelta(minutes=1)) == "2026-03-08 03:00:30 EDT"


@pytest.mark.parametrize(("cents", "text"), [(0, "0.00"), (123456789, "1,234,567.89"), (-5, "-0.05")])
def test_amounts_have_thousands(cents: int, text: str) -> None:
    assert format_amount(cents) == text


def test_every_condition_and_owner_has_a_label() -> None:
    assert set(WORST_FIRST) == set(CONDITION_STYLES) == set(Condition)
    assert set(OWNER_NAMES) == set(Owner)
