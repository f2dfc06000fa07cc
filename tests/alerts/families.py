"""Every metric family that the daemon exports, taken from the code: that is what documents are held against."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from oddaemon.core.fleet.overview import FleetOverview
from oddaemon.core.model import Condition, Owner, Status
from oddaemon.core.reporting.status_document import OfficeStatus
from oddaemon.telemetry.metrics.fleet import FleetMetrics
from oddaemon.telemetry.metrics.hosts import collect_host_metrics
from oddaemon.telemetry.metrics.office import render_office_metrics
from tests.core.builders import make_published_snapshot

NOW = datetime(2026, 3, 8, 12, 0, tzinfo=UTC)
OFFICE = OfficeStatus(
    "mesa",
    "Mesa",
    status=Status(Condition.BLOCKED, NOW, "Key off.", Owner.OFFICE, next_action_at=NOW),
    snapshot=make_published_snapshot(date(2026, 3, 8), NOW, 4132),
    requests=51,
    failures=2,
    fresh_deadline=NOW,
)
OVERVIEW = FleetOverview(NOW, "a", None, (), (), {})
_SUFFIXES = {
    "counter": ("_total",),
    "gauge": ("",),
    "histogram": ("_bucket", "_count", "_sum"),
}


@dataclass(frozen=True)
class Family:
    """One family as it is scraped."""

    name: str
    """As a person looks for it: a counter ends in `_total`."""
    kind: str
    documentation: str
    labels: frozenset[str]
    samples: frozenset[str]


def collect_families() -> dict[str, Family]:
    """All that are ours, by name; those of the process and the interpreter are the client library's."""
    found = [*_collect_fleet_metrics(), *_collect_families(_parse_office_metrics())]
    found += _collect_families(collect_host_metrics(OVERVIEW))
    return {family.name: family for family in found}


def _collect_fleet_metrics() -> list[Family]:
    registry = CollectorRegistry()
    instruments = FleetMetrics(registry, "test", lambda: NOW)
    metrics = [each for each in vars(instruments).values() if isinstance(each, MetricWrapperBase)]
    assert len(metrics) == len(list(registry.collect())), "a family that no attribute holds"
    return [_make_family(each._name, str(each._type), each._documentation, each._labelnames) for each in metrics]


def _parse_office_metrics() -> Iterable[Metric]:
    text = render_office_metrics((OFFICE,), NOW, is_openmetrics=True)
    return text_string_to_metric_families(f"{text}# EOF\n")  # type: ignore[no-any-return,no-untyped-call]  # the library ships no type


def _collect_families(families: Iterable[Metric]) -> list[Family]:
    found = []
    for family in families:
        labels = {label for sample in family.samples for label in sample.labels}
        found.append(_make_family(family.name, str(family.type), family.documentation, labels))
    return found


def _make_family(name: str, kind: str, documentation: str, labels: object) -> Family:
    samples = frozenset(name + suffix for suffix in _SUFFIXES[kind])
    extra = {"le"} if kind == "histogram" else set[str]()
    shown = f"{name}_total" if kind == "counter" else name
    return Family(shown, kind, documentation, frozenset(labels) | extra, samples)  # type: ignore[call-overload]  # names of labels
