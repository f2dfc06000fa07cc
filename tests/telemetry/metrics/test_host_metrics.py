"""The metrics of a fleet's hosts: the same from each host, and none where there is no fleet."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from oddaemon.core.fleet.agreement import ConfigDifference
from oddaemon.core.fleet.member import Departure, Stage
from oddaemon.core.fleet.overview import FleetOverview, MemberSummary, Replication
from oddaemon.telemetry.events import MaintenanceFailed, MaintenanceHandedOver, MaintenancePlanned
from oddaemon.telemetry.telemetry import Telemetry

NOW = datetime(2026, 3, 8, 12, 0, tzinfo=UTC)
EXPIRES = NOW + timedelta(seconds=15)
A = MemberSummary(1, "a", Stage.WORKING, "1", "", "", NOW, NOW, EXPIRES, "s", 3)
B = replace(A, number=2, host="b")
OVERVIEW = FleetOverview(
    NOW,
    "a",
    1,
    (A, B, replace(A, number=4, host="d", stage=Stage.JOINING)),
    (replace(A, number=3, host="c", stage=Stage.GONE, gone_at=NOW, departure=Departure.EXPIRED),),
    {},
    unheld=2,
    differences=(ConfigDifference("b", ("elm",), (), shared_settings=False),),
    replication=Replication(1, is_synchronous=True, lag_seconds=0.5),
)


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry(write=lambda _: None, now=lambda: NOW, version="0.1.0")


def read_samples(telemetry: Telemetry, prefix: str = "oddaemon_fleet_") -> dict[tuple[str, ...], float]:
    families = text_string_to_metric_families(telemetry.render(()).body.decode())
    return {
        (sample.name.removeprefix(prefix), *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
        if sample.name.startswith(prefix)
    }


def test_every_host_counts_the_members_the_lost_hosts_and_what_is_missing(telemetry: Telemetry) -> None:
    telemetry.follow_fleet(lambda: OVERVIEW)
    assert read_samples(telemetry) == {
        ("members", "joining"): 1,
        ("members", "working"): 2,
        ("members", "draining"): 0,
        ("hosts_lost",): 1,
        ("hosts_differing",): 1,
        ("offices_unheld",): 2,
        ("lease_expires_timestamp_seconds",): EXPIRES.timestamp(),
        ("database_standbys",): 1,
        ("database_synchronous",): 1,
        ("database_lag_seconds",): 0.5,
    }


def test_only_the_lease_is_the_host_s_own(telemetry: Telemetry) -> None:
    telemetry.follow_fleet(lambda: OVERVIEW)
    mine = read_samples(telemetry)
    other = replace(OVERVIEW, host="b", number=2, members=(A, replace(B, expires_at=NOW), OVERVIEW.members[2]))
    telemetry.follow_fleet(lambda: other)
    differing = {name for name, value in read_samples(telemetry).items() if mine[name] != value}
    assert differing == {("lease_expires_timestamp_seconds",)}


def test_what_is_not_known_has_no_sample(telemetry: Telemetry) -> None:
    telemetry.follow_fleet(lambda: replace(OVERVIEW, number=None, replication=Replication()))
    names = {name for name, *_ in read_samples(telemetry)}
    assert not names & {"lease_expires_timestamp_seconds", "database_lag_seconds"}


def test_a_daemon_that_is_no_member_has_none_of_them(telemetry: Telemetry) -> None:
    assert read_samples(telemetry) == {}
    telemetry.follow_fleet(lambda: None)
    assert read_samples(telemetry) == {}


def test_a_host_that_hands_the_maintenance_over_reports_no_old_failure(telemetry: Telemetry) -> None:
    telemetry.emit(MaintenancePlanned("prune", None, NOW))
    telemetry.emit(MaintenanceFailed("prune", 1.0, "The disk is full.", None))
    assert len(read_samples(telemetry, "oddaemon_maintenance_")) == 2
    telemetry.emit(MaintenanceHandedOver())
    assert read_samples(telemetry, "oddaemon_maintenance_") == {}
