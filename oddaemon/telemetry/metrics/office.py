"""Metrics of each office: eight families with one series an office.

A scrape reads them from one immutable view of the fleet. Thousands of offices cost nothing between two scrapes, and an
office that left the configuration leaves no series behind.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from oddaemon.core.model import Condition
from oddaemon.core.reporting.status_document import OfficeStatus

OfficeStatusSource = Callable[[], Sequence[OfficeStatus]]
"""Returns the present values. It runs on the event loop, so it needs no lock and must not wait."""


def collect_office_metrics(offices: Sequence[OfficeStatus], now: datetime) -> Iterator[Metric]:
    """The metric families of these offices as of `now` (aware). Pure, so a thread may run it."""
    statuses = [(office.id, office.status.evaluate_at(now)) for office in offices]
    snapshots = [(office.id, office.snapshot) for office in offices if office.snapshot is not None]
    counted = Counter(standing.condition for _, standing in statuses)

    by_condition = GaugeMetricFamily("oddaemon_offices", "Offices by condition.", labels=["condition"])
    for condition in Condition:
        by_condition.add_metric([condition.value], counted[condition])
    yield by_condition

    condition_family = GaugeMetricFamily(
        "oddaemon_office_condition",
        "1 for the current condition of the office; other conditions have no series. owner is who must act, or empty.",
        labels=["office", "condition", "owner"],
    )
    for office, status in statuses:
        condition_family.add_metric([office, status.condition.value, status.owner.value if status.owner else ""], 1)
    yield condition_family

    yield _make_gauge(
        "aging_date_timestamp_seconds",
        "Aging date of the last published snapshot, as midnight UTC of that calendar day.",
        ((office_id, _to_midnight_timestamp(snapshot.aging_date)) for office_id, snapshot in snapshots),
    )
    yield _make_gauge(
        "snapshot_published_timestamp_seconds",
        "Time at which the last snapshot was published.",
        ((office_id, _to_timestamp(snapshot.published_at)) for office_id, snapshot in snapshots),
    )
    yield _make_gauge(
        "guarantors",
        "Guarantors in the last published snapshot.",
        ((office_id, snapshot.totals.guarantors) for office_id, snapshot in snapshots),
    )
    yield _make_gauge(
        "next_action_timestamp_seconds",
        "Time of the next scheduled action for the office. No series: paused, or quarantined after crashes.",
        ((office.id, _to_timestamp(office.status.next_action_at)) for office in offices if not office.is_quarantined),
    )
    yield _make_gauge(
        "fresh_deadline_timestamp_seconds",
        "Deadline (fresh_by) of the oldest balances that are still missing. In the past: a deadline was missed.",
        ((office.id, _to_timestamp(office.fresh_deadline)) for office in offices),
    )
    yield _make_counter(
        "requests_total", "Requests sent to the office.", ((office.id, office.requests) for office in offices)
    )
    yield _make_counter(
        "failures_total", "Failures at the office.", ((office.id, office.failures) for office in offices)
    )


def _make_gauge(name: str, documentation: str, values: Iterable[tuple[str, float | None]]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"oddaemon_office_{name}", documentation, labels=["office"])
    for office, value in values:
        if value is not None:
            family.add_metric([office], value)
    return family


def _make_counter(name: str, documentation: str, values: Iterable[tuple[str, int]]) -> CounterMetricFamily:
    family = CounterMetricFamily(f"oddaemon_office_{name}", documentation, labels=["office"])
    for office, value in values:
        family.add_metric([office], value)
    return family


def _to_midnight_timestamp(day: date) -> float:
    return datetime.combine(day, time(), UTC).timestamp()


def _to_timestamp(at: datetime | None) -> float | None:
    return None if at is None else at.timestamp()
