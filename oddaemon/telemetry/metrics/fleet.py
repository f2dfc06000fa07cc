"""The fleet's own metrics: everything that is not a figure of a single office (those are in `fleet`).

Only events move them. A label here has a handful of values known beforehand: never an office, a message or a URL.
"""

from collections.abc import Callable, Iterable
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REQUEST_BUCKETS_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 60.0, 90.0)
"""The API gives up after 60 s; a request answered later than that was queued."""
WAIT_BUCKETS_SECONDS = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0)
"""Five seconds is the spacing of the slowest tier; minutes mean that the global cap binds."""
PULL_BUCKETS_SECONDS = (0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0)
"""One statement to several hundred pages at five seconds each."""


class _MetricFactory:
    """Makes the families of one registry, under the name of the house."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def counter(self, name: str, documentation: str, *labels: str) -> Counter:
        return Counter(f"oddaemon_{name}", documentation, labels, registry=self._registry)

    def gauge(self, name: str, documentation: str, *labels: str) -> Gauge:
        return Gauge(f"oddaemon_{name}", documentation, labels, registry=self._registry)

    def histogram(self, name: str, documentation: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"oddaemon_{name}", documentation, labels, registry=self._registry, buckets=buckets)


class FleetMetrics:
    """The fleet-wide metric families of one registry."""

    def __init__(self, registry: CollectorRegistry, version: str, now: Callable[[], datetime]) -> None:
        factory = _MetricFactory(registry)
        counter, gauge, histogram = factory.counter, factory.gauge, factory.histogram
        self._now = now
        self.events = counter("events_total", "Everything that happened, logged or not.", "event")
        self.requests = counter("requests_total", "Requests answered or failed.", "kind", "outcome")
        self.request_duration = histogram(
            "request_duration_seconds", "From sending a request to its whole answer.", REQUEST_BUCKETS_SECONDS, "kind"
        )
        self.rate_limiter_wait = histogram(
            "rate_limiter_wait_seconds",
            "Time a request was held back to keep a key's rate and the cap.",
            WAIT_BUCKETS_SECONDS,
        )
        self.response_bytes = counter("response_bytes_total", "Bytes of answers' bodies, uncompressed.")
        self.requests_in_flight = gauge("requests_in_flight", "Requests sent and not yet answered.")
        self.headquarters_down = gauge("headquarters_down", "How many headquarters answer nobody (0 or 1, mostly).")
        self.failures = counter("failures_total", "Failures, by kind and by who must act.", "kind", "owner")
        self.snapshots_published = counter("snapshots_published_total", "Snapshots published.", "reader")
        self.snapshots_late = counter("snapshots_late_total", "Snapshots published after their office's fresh_by.")
        self.snapshots_held = counter("snapshots_held_total", "Snapshots held back because they are hard to believe.")
        self.pulls_rejected = counter("pulls_rejected_total", "Pulls thrown away because they did not add up.")
        self.pull_duration = histogram(
            "pull_duration_seconds", "From a pull's first request to its snapshot.", PULL_BUCKETS_SECONDS, "reader"
        )
        self.backfills = counter("backfills_total", "Orders to read a past day that are over.", "via", "outcome")
        self.worker_restarts = counter("worker_restarts_total", "Workers started again after a crash.")
        self.log_lines_lost = counter("log_lines_lost_total", "Log lines that standard output did not take.")
        self.journal_entries_lost = counter(
            "journal_entries_lost_total", "Journal entries for which there was no room while the database failed."
        )
        self.deliveries = counter("deliveries_total", "Attempts to deliver a snapshot.", "sink", "outcome")
        self.deliveries_pending = gauge("deliveries_pending", "Snapshots that a sink has not taken yet.", "sink")
        self.delivery_oldest = gauge(
            "delivery_oldest_pending_timestamp_seconds",
            "Since when the oldest of them waits; absent: none does.",
            "sink",
        )
        self.nights = counter("nights_total", "Nights of the whole fleet, by what became of them.", "outcome")
        self.night_last_complete_timestamp = gauge(
            "night_last_complete_timestamp_seconds",
            "When every office of which balances were expected had last published them; 0: not since the start.",
        )
        self.pings = counter(
            "heartbeat_pings_total", "Signs of life after a night, by whether they were taken.", "outcome"
        )
        self.build_info = gauge("build_info", "Always 1; the version is the label.", "version")
        self.ready = gauge("ready", "1 while the daemon is at work: what /-/ready says.")
        self.store_healthy = gauge("store_healthy", "1 while the database is open and takes what it is given.")
        self.config_last_reload_successful = gauge(
            "config_last_reload_successful", "1 if the last reading of the configuration was applied."
        )
        self.config_last_reload_success_timestamp = gauge(
            "config_last_reload_success_timestamp_seconds", "When a configuration was last applied."
        )
        self.maintenance_last_success_timestamp = gauge(
            "maintenance_last_success_timestamp_seconds",
            "When a job of [maintenance] last succeeded; 0: never.",
            "chore",
        )
        self.maintenance_last_run_successful = gauge(
            "maintenance_last_run_successful", "1 if the last run of a job of [maintenance] ended well.", "chore"
        )
        self._init_series(version)

    def _init_series(self, version: str) -> None:
        self.build_info.labels(version).set(1)
        # What is counted from nothing can be seen to grow: a series that begins with 1 has no rate.
        for outcome in ("complete", "missed", "recovered"):
            self.nights.labels(outcome)
        for outcome in ("sent", "failed"):
            self.pings.labels(outcome)

    def init_event_counters(self, events: Iterable[str]) -> None:
        """These events may happen: each is counted from 0 on."""
        for event in events:
            self.events.labels(event)

    def record_night(self, outcome: str) -> None:
        """What became of a night is known; also when a missed one is recovered."""
        self.nights.labels(outcome).inc()
        if outcome != "missed":
            self.night_last_complete_timestamp.set(self._now().timestamp())

    def record_config_applied(self) -> None:
        """The configuration as read is in force from now on."""
        self.config_last_reload_successful.set(1)
        self.config_last_reload_success_timestamp.set(self._now().timestamp())
