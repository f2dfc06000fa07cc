"""Metrics of the hosts that share a database: the same from each of them, and none where there is only one daemon."""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric

from oddaemon.core.fleet.overview import FleetOverview


def collect_host_metrics(overview: FleetOverview) -> Iterator[Metric]:
    """The metric families of a fleet. Pure, so a thread may run it."""
    by_stage = GaugeMetricFamily(
        "oddaemon_fleet_members", "Living members of the fleet by stage, one for each daemon.", labels=["stage"]
    )
    for stage, count in overview.count_stages().items():
        by_stage.add_metric([stage.value], count)
    yield by_stage
    yield _make_gauge(
        "hosts_lost",
        "Hosts that went without draining within the hour and have not come back.",
        len(overview.lost_hosts),
    )
    yield _make_gauge(
        "hosts_differing",
        "Hosts whose configuration is not that of the others.",
        len({each.host for each in overview.differences}),
    )
    yield _make_gauge("offices_unheld", "Offices that a host could work for and none does.", overview.unheld)
    yield _make_gauge(
        "lease_expires_timestamp_seconds",
        "Time at which other hosts may take the offices of this one. No series: it is no member.",
        None if overview.me is None else overview.me.expires_at.timestamp(),
    )
    replication = overview.replication
    yield _make_gauge("database_standbys", "Standby servers that follow the database.", replication.standbys)
    yield _make_gauge(
        "database_synchronous",
        "1 if a commit waits for a standby server, so that a failover loses nothing.",
        replication.is_synchronous,
    )
    yield _make_gauge(
        "database_lag_seconds",
        "Lag of the standby server that is furthest behind. No series: the server does not show it.",
        replication.lag_seconds,
    )


def _make_gauge(name: str, documentation: str, value: float | None) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"oddaemon_fleet_{name}", documentation)
    if value is not None:
        family.add_metric([], value)
    return family
