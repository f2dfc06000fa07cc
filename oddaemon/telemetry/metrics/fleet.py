"""Metrics of the whole daemon; those of a single office are in `metrics.office`.

Only events move them. A label has a handful of values that are known beforehand: never an office, a message or a URL.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

NAMESPACE = "oddaemon"
"""Every metric's name begins with it."""
REQUEST_BUCKETS_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 60.0, 90.0)
"""The API gives up after 60 s; a longer request was queued."""
WAIT_BUCKETS_SECONDS = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0)
"""Five seconds is the spacing of the slowest tier; minutes mean that the global cap is reached."""
PULL_BUCKETS_SECONDS = (0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0)
"""One statement to several hundred pages at five seconds each."""

BACKGROUND_TASKS = (
    *("backfill", "control socket", "file watcher", "fleet membership", "freshness monitor"),
    *(
        "garbage collector",
        "heartbeat pings",
        "journal",
        "listener",
        "maintenance",
        "receiver",
        "reloads",
        "signals",
        "store health",
        "watchdog",
    ),
)
"""The daemon's own tasks, each with a counter of its crashes."""


class FleetMetrics:
    """The fleet-wide metric families of one registry."""

    def __init__(self, registry: CollectorRegistry, version: str, now: Callable[[], datetime]) -> None:
        self._now = now
        self._add_request_metrics(registry)
        self._add_night_metrics(registry)
        self._add_process_metrics(registry)
        self._init_series(version)

    def _add_request_metrics(self, registry: CollectorRegistry) -> None:
        counter = partial(Counter, namespace=NAMESPACE, registry=registry)
        gauge = partial(Gauge, namespace=NAMESPACE, registry=registry)
        histogram = partial(Histogram, namespace=NAMESPACE, registry=registry)
        self.events = counter("events_total", "Events by name, whether logged or not.", ["event"])
        self.requests = counter("requests_total", "Finished API requests by kind and outcome.", ["kind", "outcome"])
        self.request_duration = histogram(
            "request_duration_seconds",
            "Time from sending a request to the end of its response.",
            ["kind"],
            buckets=REQUEST_BUCKETS_SECONDS,
        )
        self.rate_limiter_wait = histogram(
            "rate_limiter_wait_seconds", "Time a request waited for the rate limiter.", buckets=WAIT_BUCKETS_SECONDS
        )
        self.response_bytes = counter("response_bytes_total", "Bytes of response bodies, uncompressed.")
        self.requests_in_flight = gauge("requests_in_flight", "Requests in flight.")
        self.api_host_unusable = gauge(
            "api_host_unusable", "Number of API hosts that this machine cannot use, for a reason of its own."
        )
        self.headquarters_down = gauge("headquarters_down", "Number of API hosts whose circuit breaker is open.")
        self.failures = counter("failures_total", "Failures by kind and owner.", ["kind", "owner"])

    def _add_night_metrics(self, registry: CollectorRegistry) -> None:
        counter = partial(Counter, namespace=NAMESPACE, registry=registry)
        gauge = partial(Gauge, namespace=NAMESPACE, registry=registry)
        histogram = partial(Histogram, namespace=NAMESPACE, registry=registry)
        self.snapshots_published = counter("snapshots_published_total", "Published snapshots by reader.", ["reader"])
        self.snapshots_late = counter(
            "snapshots_late_total", "Snapshots published after the fresh_by deadline of the office."
        )
        self.snapshots_held = counter("snapshots_held_total", "Snapshots held back as implausible.")
        self.pulls_rejected = counter(
            "pulls_rejected_total", "Pulls discarded because the rows did not match the control totals."
        )
        self.pull_duration = histogram(
            "pull_duration_seconds",
            "Time from the first request of a pull to its published snapshot.",
            ["reader"],
            buckets=PULL_BUCKETS_SECONDS,
        )
        self.backfills = counter("backfills_total", "Finished backfills by way and outcome.", ["via", "outcome"])
        self.deliveries = counter("deliveries_total", "Delivery attempts by sink and outcome.", ["sink", "outcome"])
        self.deliveries_pending = gauge("deliveries_pending", "Deliveries waiting in the outbox of a sink.", ["sink"])
        self.delivery_oldest = gauge(
            "delivery_oldest_pending_timestamp_seconds",
            "Time at which the oldest pending delivery was queued. No series: none is pending.",
            ["sink"],
        )
        self.nights = counter("nights_total", "Nights of the fleet by outcome.", ["outcome"])
        self.night_last_complete_timestamp = gauge(
            "night_last_complete_timestamp_seconds",
            "Time at which the last complete night was completed. 0: none since the start.",
        )
        self.pings = counter("heartbeat_pings_total", "Heartbeat pings by outcome.", ["outcome"])

    def _add_process_metrics(self, registry: CollectorRegistry) -> None:
        counter = partial(Counter, namespace=NAMESPACE, registry=registry)
        gauge = partial(Gauge, namespace=NAMESPACE, registry=registry)
        self.worker_restarts = counter("worker_restarts_total", "Restarts of office workers after a crash.")
        self.background_task_crashes = counter(
            "background_task_crashes_total", "Crashes of the daemon's own tasks, each followed by a restart.", ["task"]
        )
        self.log_lines_lost = counter("log_lines_lost_total", "Log lines that could not be written to standard output.")
        self.journal_entries_lost = counter(
            "journal_entries_lost_total", "Journal entries dropped while the database could not be written."
        )
        self.build_info = gauge("build_info", "Always 1. The version is a label.", ["version"])
        self.ready = gauge("ready", "1 while the daemon is ready, as /-/ready reports.")
        self.store_healthy = gauge("store_healthy", "1 while the database is open and writable.")
        self.store_wal_bytes = gauge("store_wal_bytes", "Size of the write-ahead log of the database.")
        self.config_last_reload_successful = gauge(
            "config_last_reload_successful", "1 if the last reload of the configuration succeeded."
        )
        self.config_last_reload_success_timestamp = gauge(
            "config_last_reload_success_timestamp_seconds", "Time of the last successful reload of the configuration."
        )
        self.maintenance_last_success_timestamp = gauge(
            "maintenance_last_success_timestamp_seconds",
            "Time at which a maintenance job last succeeded. 0: never.",
            ["task"],
        )
        self.maintenance_last_run_successful = gauge(
            "maintenance_last_run_successful", "1 if the last run of a maintenance job succeeded.", ["task"]
        )

    def _init_series(self, version: str) -> None:
        self.build_info.labels(version).set(1)
        # A counter that first appears as 1 has no rate, so each starts with 0.
        for outcome in ("complete", "missed", "recovered"):
            self.nights.labels(outcome)
        for outcome in ("sent", "failed"):
            self.pings.labels(outcome)
        for task in BACKGROUND_TASKS:
            self.background_task_crashes.labels(task)

    def init_event_counters(self, events: Iterable[str]) -> None:
        """Start the counter of each event with 0."""
        for event in events:
            self.events.labels(event)

    def record_night(self, outcome: str) -> None:
        """Count the outcome of a night, also when a missed one recovers."""
        self.nights.labels(outcome).inc()
        if outcome != "missed":
            self.night_last_complete_timestamp.set(self._now().timestamp())

    def record_config_applied(self) -> None:
        """Set the success and the time of the last reload."""
        self.config_last_reload_successful.set(1)
        self.config_last_reload_success_timestamp.set(self._now().timestamp())
