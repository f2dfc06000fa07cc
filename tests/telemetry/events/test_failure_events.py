"""Each kind of failure is counted under its own name, and is as loud as the table of failures says."""

from datetime import UTC, datetime

import pytest
from prometheus_client import CollectorRegistry

from oddaemon.core.failures.failure import FailureKind
from oddaemon.telemetry.events import FailureSeen
from oddaemon.telemetry.metrics.fleet import FleetMetrics

NOW = datetime(2026, 3, 3, tzinfo=UTC)


def make_failure_event(kind: FailureKind, attempt: int = 1) -> FailureSeen:
    return FailureSeen("mesa", kind, kind.owner, "Said.", attempt, None)


@pytest.mark.parametrize("kind", FailureKind)
def test_the_first_of_a_row_is_as_loud_as_the_table_says_and_the_others_are_quiet(kind: FailureKind) -> None:
    assert make_failure_event(kind).log_level().name.lower() == kind.severity.value
    assert make_failure_event(kind, attempt=2).log_level().name == "INFO"


def test_every_kind_is_a_label_of_the_metric_with_its_owner() -> None:
    instruments = FleetMetrics(CollectorRegistry(), "test", lambda: NOW)
    for kind in FailureKind:
        make_failure_event(kind).record_metrics(instruments)
    [family] = instruments.failures.collect()
    counted = {
        (sample.labels["kind"], sample.labels["owner"]): sample.value
        for sample in family.samples
        if sample.name.endswith("_total")
    }
    assert counted == {(kind.value, kind.owner.value): 1 for kind in FailureKind}
