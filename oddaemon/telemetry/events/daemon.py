"""What happens to the process as a whole. See `Event` for what a field may hold."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from oddaemon.telemetry.events.base import Event, Level
from oddaemon.telemetry.metrics.fleet import FleetMetrics


@dataclass(frozen=True, slots=True)
class DaemonStarted(Event):
    """The process runs; nothing is asked of any office yet. `database` is a path or a URL without its password."""

    name: ClassVar[str] = "daemon_started"
    version: str
    offices: int
    database: str


@dataclass(frozen=True, slots=True)
class DaemonReady(Event):
    """The configuration is applied, the store is open and `listen` ("127.0.0.1:9464", or "" for none) answers."""

    name: ClassVar[str] = "daemon_ready"
    listen: str

    def record_metrics(self, metrics: FleetMetrics) -> None:
        """Ready."""
        metrics.ready.set(1)


@dataclass(frozen=True, slots=True)
class DaemonDraining(Event):
    """`signal` ("SIGTERM", or "an order") asked to stop: requests in flight end, none is begun."""

    name: ClassVar[str] = "daemon_draining"
    cause: str

    def record_metrics(self, metrics: FleetMetrics) -> None:
        """Not ready any more."""
        metrics.ready.set(0)


@dataclass(frozen=True, slots=True)
class DaemonStopped(Event):
    """Everything is stored and closed, `seconds` after the daemon started."""

    name: ClassVar[str] = "daemon_stopped"
    seconds: float

    def record_metrics(self, metrics: FleetMetrics) -> None:
        """Not ready, also when it never drained."""
        metrics.ready.set(0)


@dataclass(frozen=True, slots=True)
class ConfigurationLoaded(Event):
    """A configuration was read and applied; each warning is one sentence."""

    name: ClassVar[str] = "configuration_loaded"
    offices: int
    warnings: tuple[str, ...] = ()
    cause: str = "start"
    """"start", "signal", "files" or "order"."""
    new: tuple[str, ...] = ()
    """Offices that have a worker from now on."""
    changed: tuple[str, ...] = ()
    """Offices of which something else is wanted, each with the names of what: `elm (clinics, fresh_by)`."""
    removed: tuple[str, ...] = ()
    """Offices that are watched no longer."""
    unchanged: int = 0

    def log_level(self) -> Level:
        """Louder with warnings."""
        return Level.WARNING if self.warnings else Level.INFO

    def record_metrics(self, metrics: FleetMetrics) -> None:
        """A successful reload, now."""
        metrics.record_config_applied()


@dataclass(frozen=True, slots=True)
class ConfigurationRejected(Event):
    """A configuration was read and refused, so the one before stays in force; each problem is one sentence.

    Files that stay broken while somebody works on them are told once.
    """

    name: ClassVar[str] = "configuration_rejected"
    level: ClassVar[Level] = Level.ERROR
    problems: tuple[str, ...]
    cause: str = "start"

    def record_metrics(self, metrics: FleetMetrics) -> None:
        """A failed reload."""
        metrics.config_last_reload_successful.set(0)


@dataclass(frozen=True, slots=True)
class StoreOpened(Event):
    """The database is open; one that is new has no history, which is news if it should have had some."""

    name: ClassVar[str] = "store_opened"
    created: bool
    migrated_from: str | None = None
    """The former revision, if it had to be migrated."""
    backup: str | None = None
    """Where the file as it was before that is kept."""

    def record_metrics(self, metrics: FleetMetrics) -> None:
        """Healthy, so far."""
        metrics.store_healthy.set(1)


@dataclass(frozen=True, slots=True)
class StoreFailed(Event):
    """The database cannot be used: from now on nothing is stored until it can. Told once for each trouble."""

    name: ClassVar[str] = "store_failed"
    level: ClassVar[Level] = Level.ERROR
    reason: str
    advice: str
    transient: bool
    """Whether the daemon goes on by itself once the cause is gone; else it has to be restarted."""

    def record_metrics(self, metrics: FleetMetrics) -> None:
        """Neither healthy nor ready."""
        metrics.store_healthy.set(0)
        metrics.ready.set(0)


@dataclass(frozen=True, slots=True)
class StoreRecovered(Event):
    """The database takes again what it is given, `seconds` after it first did not."""

    name: ClassVar[str] = "store_recovered"
    seconds: float
    ready: bool
    """Whether the daemon is at work with that; false while it starts or drains."""

    def record_metrics(self, metrics: FleetMetrics) -> None:
        """Healthy, and ready if nothing else is missing."""
        metrics.store_healthy.set(1)
        if self.ready:
            metrics.ready.set(1)


@dataclass(frozen=True, slots=True)
class StoreSlow(Event):
    """The disk needs long to keep what it is given: the longest write since this was last looked at."""

    name: ClassVar[str] = "store_slow"
    level: ClassVar[Level] = Level.WARNING
    seconds: float
    advice: str


@dataclass(frozen=True, slots=True)
class EngineStalled(Event):
    """Something hangs that should not; under systemd the watchdog ends the process unless it moves again in time."""

    name: ClassVar[str] = "engine_stalled"
    level: ClassVar[Level] = Level.ERROR
    reason: str
    """A sentence; names an office, never what is in it."""


@dataclass(frozen=True, slots=True)
class EngineRecovered(Event):
    """What hung moves again, `seconds` after it was noticed."""

    name: ClassVar[str] = "engine_recovered"
    seconds: float


@dataclass(frozen=True, slots=True)
class LibraryMessage(Event):
    """A library had something to say through the standard library's logging or warnings."""

    name: ClassVar[str] = "library_message"
    library: str
    """The logger's name."""
    severity: Level
    message: str
    traceback: str | None

    def log_level(self) -> Level:
        """The library's own."""
        return self.severity

    def log_fields(self) -> Mapping[str, object]:
        """All but the severity, which is the line's level."""
        return {"library": self.library, "message": self.message, "traceback": self.traceback}


@dataclass(frozen=True, slots=True)
class LogLinesLost(Event):
    """Standard output did not take lines as fast as they came, or not at all."""

    name: ClassVar[str] = "log_lines_lost"
    level: ClassVar[Level] = Level.WARNING
    lines: int

    def record_metrics(self, metrics: FleetMetrics) -> None:
        """Counts the lines."""
        metrics.log_lines_lost.inc(self.lines)


@dataclass(frozen=True, slots=True)
class JournalEntriesLost(Event):
    """More happened to the offices than there was room to keep while the database could not be written."""

    name: ClassVar[str] = "journal_entries_lost"
    level: ClassVar[Level] = Level.WARNING
    entries: int

    def record_metrics(self, metrics: FleetMetrics) -> None:
        """Counts the entries."""
        metrics.journal_entries_lost.inc(self.entries)
