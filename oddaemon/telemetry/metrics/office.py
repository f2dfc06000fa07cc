"""Metrics of each office: eight families with one series an office.

A scrape reads them from one immutable view of the fleet. Thousands of offices cost nothing between two scrapes, and an
office that left the configuration leaves no series behind. The text is written here: the library needs twice as long to
make an object of each value and a line of each object, and three times for OpenMetrics.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import cache

from prometheus_client.utils import floatToGoString

from oddaemon.core.model import Condition
from oddaemon.core.reporting.status_document import OfficeStatus

OfficeStatusSource = Callable[[], Sequence[OfficeStatus]]
"""Returns the present values. It runs on the event loop, so it needs no lock and must not wait."""


@dataclass(frozen=True, slots=True)
class OfficeFamily:
    """One metric, with a series for each office that has a value."""

    name: str
    """Without the `_total` of a counter."""
    documentation: str
    series: Sequence[tuple[str, float]]
    """The labels as text, and the value."""
    labels: tuple[str, ...] = ("office",)
    is_counter: bool = False


def render_office_metrics(offices: Sequence[OfficeStatus], now: datetime, *, is_openmetrics: bool) -> str:
    """The metrics of these offices as of `now` (aware) as text. Pure, so a thread may run it."""
    format_value = cache(floatToGoString)
    lines: list[str] = []
    for family in collect_office_metrics(offices, now):
        sample = f"{family.name}_total" if family.is_counter else family.name
        name, kind = family.name if is_openmetrics else sample, "counter" if family.is_counter else "gauge"
        lines += (f"# HELP {name} {family.documentation}", f"# TYPE {name} {kind}")
        lines += [f"{sample}{{{labels}}} {format_value(float(value))}" for labels, value in family.series]
    lines.append("")
    return "\n".join(lines)


def collect_office_metrics(offices: Sequence[OfficeStatus], now: datetime) -> Iterator[OfficeFamily]:
    """The metric families of these offices as of `now` (aware)."""
    statuses = [office.status.evaluate_at(now) for office in offices]
    labels = [f'office="{_escape(office.id)}"' for office in offices]
    named = list(zip(labels, offices, strict=True))
    counted = Counter(status.condition for status in statuses)
    yield OfficeFamily(
        "oddaemon_offices",
        "Offices by condition.",
        [(f'condition="{condition.value}"', counted[condition]) for condition in Condition],
        labels=("condition",),
    )
    owners = [status.owner.value if status.owner else "" for status in statuses]
    yield OfficeFamily(
        "oddaemon_office_condition",
        "1 for the current condition of the office; other conditions have no series. owner is who must act, or empty.",
        [
            (f'condition="{status.condition.value}",{label},owner="{owner}"', 1)
            for label, status, owner in zip(labels, statuses, owners, strict=True)
        ],
        labels=("office", "condition", "owner"),
    )
    yield from _collect_snapshot_metrics(named)
    yield OfficeFamily(
        "oddaemon_office_next_action_timestamp_seconds",
        "Time of the next scheduled action for the office. No series: paused, or quarantined after crashes.",
        [
            (label, at.timestamp())
            for label, office in named
            if not office.is_quarantined and (at := office.status.next_action_at) is not None
        ],
    )
    yield OfficeFamily(
        "oddaemon_office_fresh_deadline_timestamp_seconds",
        "Deadline (fresh_by) of the oldest balances that are still missing. In the past: a deadline was missed.",
        [(label, at.timestamp()) for label, office in named if (at := office.fresh_deadline) is not None],
    )
    yield OfficeFamily(
        "oddaemon_office_requests",
        "Requests sent to the office.",
        [(label, office.requests) for label, office in named],
        is_counter=True,
    )
    yield OfficeFamily(
        "oddaemon_office_failures",
        "Failures at the office.",
        [(label, office.failures) for label, office in named],
        is_counter=True,
    )


def _collect_snapshot_metrics(named: Sequence[tuple[str, OfficeStatus]]) -> Iterator[OfficeFamily]:
    snapshots = [(label, office.snapshot) for label, office in named if office.snapshot is not None]
    yield OfficeFamily(
        "oddaemon_office_aging_date_timestamp_seconds",
        "Aging date of the last published snapshot, as midnight UTC of that calendar day.",
        [(label, _to_midnight_timestamp(snapshot.aging_date)) for label, snapshot in snapshots],
    )
    yield OfficeFamily(
        "oddaemon_office_snapshot_published_timestamp_seconds",
        "Time at which the last snapshot was published.",
        [(label, snapshot.published_at.timestamp()) for label, snapshot in snapshots],
    )
    yield OfficeFamily(
        "oddaemon_office_guarantors",
        "Guarantors in the last published snapshot.",
        [(label, snapshot.totals.guarantors) for label, snapshot in snapshots],
    )


def _escape(text: str) -> str:
    """A value of a label."""
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _to_midnight_timestamp(day: date) -> float:
    return datetime.combine(day, time(), UTC).timestamp()
