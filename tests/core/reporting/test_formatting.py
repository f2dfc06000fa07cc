from datetime import date, timedelta

import pytest

from oddaemon.core.reporting.command_hints import suggest_backfill, suggest_explain, suggest_history
from oddaemon.core.reporting.formatting import format_amount, format_count, format_duration, format_seconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(12, "12 s"), (300, "5 min"), (-300, "5 min"), (10_800, "3 h"), (100_000, "27 h"), (172_800, "2 d")],
)
def test_a_duration_has_its_largest_unit(seconds: int, text: str) -> None:
    assert format_duration(timedelta(seconds=seconds)) == text


@pytest.mark.parametrize(("seconds", "text"), [(0.25, "0.25 s"), (3.14, "3.1 s"), (61.0, "1 min")])
def test_a_short_duration_has_decimals(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text


def test_counts_and_amounts_have_separators() -> None:
    assert (format_count(1, "office"), format_count(4_132, "office")) == ("1 office", "4,132 offices")
    assert (format_amount(123_450), format_amount(-5)) == ("1,234.50", "-0.05")


def test_hints_name_the_office() -> None:
    hints = (suggest_explain("elm"), suggest_history("elm"), suggest_backfill("elm", date(2026, 3, 1)))
    assert all(" elm" in hint for hint in hints)
    assert "2026-03-01" in hints[2]
