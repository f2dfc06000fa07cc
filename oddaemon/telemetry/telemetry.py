"""The only place that logs and counts: an event goes in, a log line and moved metrics come out."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics

from oddaemon.core.fleet.overview import FleetOverview
from oddaemon.core.reporting.status_document import OfficeStatus
from oddaemon.telemetry.events import EVENT_TYPES, LogLinesLost
from oddaemon.telemetry.events.base import Event, Level
from oddaemon.telemetry.logging.formatter import EventLogger, LogFormat
from oddaemon.telemetry.logging.redaction import Redactor
from oddaemon.telemetry.metrics.fleet import FleetMetrics
from oddaemon.telemetry.metrics.hosts import collect_host_metrics
from oddaemon.telemetry.metrics.office import render_office_metrics

_END = b"# EOF\n"
"""The last line of OpenMetrics."""


@dataclass(frozen=True, slots=True)
class Scrape:
    """One rendering of all metrics."""

    body: bytes
    content_type: str


class Telemetry:
    """Logs and metrics of one daemon; several may live in one process."""

    def __init__(
        self,
        *,
        write: Callable[[str], None],
        now: Callable[[], datetime],
        version: str,
        log_format: LogFormat = LogFormat.JSON,
        level: Level = Level.INFO,
        count_lost: Callable[[], int] = lambda: 0,
        process_metrics: bool = False,
    ) -> None:
        """Changes nothing global: no root logger, no global registry.

        Args:
            write: receives each log line, without its end; must neither wait nor fail.
            now: the wall clock, aware.
            version: of the daemon, for `oddaemon_build_info`.
            log_format: AUTO means JSON here.
            level: of the quietest line that is written; metrics move at any level.
            count_lost: how many lines `write` has lost so far.
            process_metrics: also report memory, CPU and open files of the process, and the interpreter.
        """
        self._registry = CollectorRegistry()
        self._metrics = FleetMetrics(self._registry, version, now)
        self._metrics.init_event_counters(event.name for event in EVENT_TYPES)
        self._redactor = Redactor()
        self._log = EventLogger(write, now, self._redactor, log_format, level)
        self._now = now
        self._count_lost = count_lost
        self._lost_reported = 0
        self._subscribers: list[Callable[[Event], None]] = []
        self._get_overview: Callable[[], FleetOverview | None] = lambda: None
        if process_metrics:
            _OwnProcessCollector(registry=self._registry)
            PlatformCollector(registry=self._registry)
            GCCollector(registry=self._registry)

    def emit(self, event: Event) -> None:
        """Write the event's log line, if its level is enabled, and move its metrics. Thread-safe."""
        self._record(event)
        if (lost := self._count_lost()) > self._lost_reported:
            missing, self._lost_reported = lost - self._lost_reported, lost
            self._record(LogLinesLost(missing))

    def subscribe(self, subscriber: Callable[[Event], None]) -> None:
        """Call `subscriber` with every event, after its line and metrics; it must neither wait nor fail."""
        self._subscribers.append(subscriber)

    def follow_fleet(self, get_overview: Callable[[], FleetOverview | None]) -> None:
        """Render the metrics of the hosts, too, whenever there is an overview of them; called in a thread."""
        self._get_overview = get_overview

    def add_secrets(self, values: Iterable[str]) -> None:
        """Register secrets. "***" replaces them in every log line and in `redact`."""
        self._redactor.add_secrets(values)

    def redact(self, text: str) -> str:
        """`text` without secrets; never a text that is JSON or has another syntax: redact its values."""
        return self._redactor.redact_text(text)

    def redact_fields(self, fields: Mapping[str, object]) -> dict[str, object]:
        """The fields of an event or of a document without secrets."""
        return self._redactor.redact_fields(fields)

    def render(self, offices: Sequence[OfficeStatus], accept: str = "") -> Scrape:
        """All metrics, with those of these offices. Slow with thousands of offices: run it in a thread.

        Args:
            offices: the present values, read on the event loop.
            accept: the request's Accept header; decides between OpenMetrics and the plain text format.
        """
        families = _MetricFamilies(self._registry, self._get_overview())
        is_openmetrics = "application/openmetrics-text" in accept
        own = render_office_metrics(offices, self._now(), is_openmetrics=is_openmetrics).encode()
        if is_openmetrics:
            body: bytes = openmetrics.generate_latest(families)  # type: ignore[no-untyped-call]  # the library ships no type for it
            return Scrape(body.removesuffix(_END) + own + _END, openmetrics.CONTENT_TYPE_LATEST)
        return Scrape(generate_latest(families) + own, CONTENT_TYPE_PLAIN_0_0_4)

    def _record(self, event: Event) -> None:
        self._metrics.events.labels(event.name).inc()
        event.record_metrics(self._metrics)
        level = event.log_level()
        if self._log.is_enabled(level):
            self._log.write_line(level, event.name, event.log_fields())
        for subscriber in self._subscribers:
            subscriber(event)


@dataclass(frozen=True, slots=True)
class _MetricFamilies:
    """The families of one scrape, in the shape that prometheus_client expects."""

    registry: CollectorRegistry
    overview: FleetOverview | None

    def collect(self) -> Iterator[Metric]:
        for family in self.registry.collect():
            # The creation time of a series says no more than the start of the process, and doubles the text.
            family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
            yield family
        if self.overview is not None:
            yield from collect_host_metrics(self.overview)


class _OwnProcessCollector(ProcessCollector):
    """Memory, CPU and open files of this process, where only its own directory of /proc is shown.

    The library's collector reads the boot time from /proc/stat and reports nothing without it.

    A unit with `ProcSubset=pid` has no /proc/stat; the clocks give the same time.
    """

    def _boot_time(self) -> float:
        return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
