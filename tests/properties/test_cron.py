"""A cron expression that the check lets through means to the housekeeper what it means to cron."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from oddaemon.engine.maintenance.scheduler import CronSchedule
from oddaemon.settings.values.cron import normalize_cron

Values = tuple[str, frozenset[int]]
MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)


@st.composite
def cron_parts(draw: st.DrawFn, low: int, high: int) -> Values:
    """One part of a field as it is written, and what it means."""
    step = draw(st.none() | st.integers(1, 2 * high))
    first, last = sorted((draw(st.integers(low, high)), draw(st.integers(low, high))))
    written, until = draw(
        st.sampled_from([("*", None), (f"{first}", first if step is None else high), (f"{first}-{last}", last)])
    )
    begins, ends = (low, high) if until is None else (first, until)
    return (written if step is None else f"{written}/{step}"), frozenset(range(begins, ends + 1, step or 1))


def cron_fields(low: int, high: int) -> SearchStrategy[Values]:
    """A whole field."""
    return st.lists(cron_parts(low, high), min_size=1, max_size=3).map(
        lambda found: (",".join(text for text, _ in found), frozenset[int]().union(*(values for _, values in found)))
    )


@settings(max_examples=200, deadline=None)
@given(minute=cron_fields(0, 59), hour=cron_fields(0, 23))
def test_the_first_due_time_is_the_first_that_fits(minute: Values, hour: Values) -> None:
    due = CronSchedule(normalize_cron(f"{minute[0]} {hour[0]} * * *"), UTC).get_next_after(
        MIDNIGHT - timedelta(seconds=1)
    )
    assert due == MIDNIGHT + timedelta(hours=min(hour[1]), minutes=min(minute[1]))


@settings(max_examples=200, deadline=None)
@given(day=cron_fields(1, 28), month=cron_fields(1, 12))
def test_every_step_of_days_and_months_can_be_planned(day: Values, month: Values) -> None:
    due = CronSchedule(normalize_cron(f"0 0 {day[0]} {month[0]} *"), UTC).get_next_after(MIDNIGHT)
    assert due is not None
    assert due.month in month[1]
