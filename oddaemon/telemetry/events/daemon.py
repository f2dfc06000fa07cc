"""Events of the whole process, and of the API that all offices share. See `Event` for what a field may hold."""

from collections.abc import Mapping
from dataclasses import dataclass

from oddaemon.telemetry.events.base import Event, Level
from oddaemon.telemetry.metrics.fleet import FleetMetrics


@dataclass(frozen=True, slots=True)
class DaemonStarted(Event):
    """The process runs and has sent no request yet. `database` is a path, or a URL without its password."""

    version: str
    offices: int
    database: str


@dataclass(frozen=True, slots=True)
class DaemonReady(Event):
    """The configuration is applied, the database is open and `listen` ("127.0.0.1:9464", or "" for none) answers."""

    listen: str

    def record_metrics(self, metrics: FleetMetrics) -> None:
        metrics.ready.set(1)


@dataclass(frozen=True, slots=True)
class DaemonDraining(Event):
    """A stop was requested by `cause` (a signal's name, or "command"): requests in flight end, no new one begins."""

    cause: str

    def record_metrics(self, metrics: FleetMetrics) -> None:
        metrics.ready.set(0)


@dataclass(frozen=True, slots=True)
class DaemonStopped(Event):
    """Everything is stored and closed, `seconds` after the daemon started."""

    seconds: float

    def record_metrics(self, metrics: FleetMetrics) -> None:
        metrics.ready.set(0)


@dataclass(frozen=True, slots=True)
class PeerErrorUnforeseen(Event, level=Level.ERROR):
    """What a peer sent raised an exception that no rule expects. It counts as a failure of that peer.

    `peer` is "office ID", "sink NAME" or "heartbeat ping"; `traceback` is from `format_traceback`.
    """

    peer: str
    error: str
    traceback: str


@dataclass(frozen=True, slots=True)
class BackgroundTaskCrashed(Event, level=Level.ERROR):
    """A task of the daemon itself crashed, a bug in oddaemon. It starts again, with no restarts left after 30 s."""

    task: str
    error: str
    restarts_left: int
    traceback: str

    def record_metrics(self, metrics: FleetMetrics) -> None:
        metrics.background_task_crashes.labels(self.task).inc()


@dataclass(frozen=True, slots=True)
class ConfigurationLoaded(Event):
    """A configuration was read and applied; each warning is one sentence."""

    offices: int
    warnings: tuple[str, ...] = ()
    cause: str = "start"
    """"start", "signal", "files" or "command"."""
    new: tuple[str, ...] = ()
    """Offices that got a worker."""
    changed: tuple[str, ...] = ()
    """Offices with changed settings, each with their names: `elm (clinics, fresh_by)`."""
    removed: tuple[str, ...] = ()
    """Offices that are no longer configured."""
    unchanged: int = 0

    def log_level(self) -> Level:
        return Level.WARNING if self.warnings else Level.INFO

    def record_metrics(self, metrics: FleetMetrics) -> None:
        metrics.record_config_applied()


@dataclass(frozen=True, slots=True)
class ConfigurationRejected(Event, level=Level.ERROR):
    """A configuration was read and rejected; the previous one stays active. Each problem is one sentence.

    While files stay broken, the same problems are reported once.
    """

    problems: tuple[str, ...]
    cause: str = "start"

    def record_metrics(self, metrics: FleetMetrics) -> None:
        metrics.config_last_reload_successful.set(0)


@dataclass(frozen=True, slots=True)
class ConfigurationWatchFailed(Event, level=Level.WARNING):
    """The daemon cannot watch the configuration files, for `reason`. A signal or a command still reloads them."""

    reason: str
    advice: str = "Run `oddaemon reload` after each change; check the `fs.inotify` limits in sysctl."


@dataclass(frozen=True, slots=True)
class StoreOpened(Event):
    """The database is open. `created`: it is new and has no history."""

    created: bool
    migrated_from: str | None = None
    """The old revision, if the database was migrated."""
    backup: str | None = None
    """Where the file from before the migration is."""

    def record_metrics(self, metrics: FleetMetrics) -> None:
        metrics.store_healthy.set(1)


@dataclass(frozen=True, slots=True)
class StoreMadePrivate(Event, level=Level.WARNING):
    """Every user of this machine could read the database. Its mode was changed to 0600; find out who changed it."""

    path: str
    mode: str
    """The mode before."""


@dataclass(frozen=True, slots=True)
class StoreLogLost(Event, level=Level.ERROR):
    """The database was not closed, and its write-ahead log is gone: an unknown number of transactions is missing."""

    path: str
    advice: str


@dataclass(frozen=True, slots=True)
class StoreMeasured(Event, level=Level.DEBUG):
    """The size of the database's write-ahead log, at each check of the database."""

    wal_bytes: int

    def record_metrics(self, metrics: FleetMetrics) -> None:
        metrics.store_wal_bytes.set(self.wal_bytes)


@dataclass(frozen=True, slots=True)
class StoreFailed(Event, level=Level.ERROR):
    """The database cannot be used; nothing is stored until it recovers. Reported once for each incident."""

    reason: str
    advice: str
    transient: bool
    """Whether the daemon recovers by itself once the cause is gone; otherwise it needs a restart."""

    def record_metrics(self, metrics: FleetMetrics) -> None:
        metrics.store_healthy.set(0)
        metrics.ready.set(0)


@dataclass(frozen=True, slots=True)
class StoreRecovered(Event):
    """The database accepts writes again, `seconds` after it failed."""

    seconds: float
    ready: bool
    """Whether the daemon is ready now; false while it starts or drains."""

    def record_metrics(self, metrics: FleetMetrics) -> None:
        metrics.store_healthy.set(1)
        if self.ready:
            metrics.ready.set(1)


@dataclass(frozen=True, slots=True)
class StoreSlow(Event, level=Level.WARNING):
    """The disk is slow: the longest write since the last check."""

    seconds: float
    advice: str


@dataclass(frozen=True, slots=True)
class EngineStalled(Event, level=Level.ERROR):
    """Something hangs. Under systemd the watchdog ends the process unless it makes progress in time."""

    reason: str
    """A sentence. It may name an office, never its data."""


@dataclass(frozen=True, slots=True)
class EngineRecovered(Event):
    """What hung makes progress again, `seconds` after it was noticed."""

    seconds: float


@dataclass(frozen=True, slots=True)
class LibraryMessage(Event):
    """A library wrote to the standard library's logging or warnings."""

    library: str
    """The logger's name."""
    severity: Level
    message: str
    traceback: str | None
    repeated: int = 0
    """How often the library repeated the message since its last line; these were counted and not logged."""

    def log_level(self) -> Level:
        return self.severity

    def log_fields(self) -> Mapping[str, object]:
        """All but the severity, which is the level of the line."""
        fields = {"library": self.library, "message": self.message, "traceback": self.traceback}
        return {**fields, "repeated": self.repeated} if self.repeated else fields


@dataclass(frozen=True, slots=True)
class LogLinesLost(Event, level=Level.WARNING):
    """Log lines were dropped, because standard output accepted them too slowly or not at all."""

    lines: int

    def record_metrics(self, metrics: FleetMetrics) -> None:
        metrics.log_lines_lost.inc(self.lines)


@dataclass(frozen=True, slots=True)
class JournalEntriesLost(Event, level=Level.WARNING):
    """Journal entries were dropped, because the database could not be written and the buffer was full."""

    entries: int

    def record_metrics(self, metrics: FleetMetrics) -> None:
        metrics.journal_entries_lost.inc(self.entries)


@dataclass(frozen=True, slots=True)
class HeadquartersDown(Event, level=Level.ERROR):
    """Several offices in a row received no answer. From now on one request at a time probes the host."""

    host: str
    """The host of the API."""

    def record_metrics(self, metrics: FleetMetrics) -> None:
        metrics.headquarters_down.inc()


@dataclass(frozen=True, slots=True)
class HeadquartersRecovered(Event):
    """Headquarters answers again, `seconds` after it was found to be down."""

    host: str
    seconds: float

    def record_metrics(self, metrics: FleetMetrics) -> None:
        metrics.headquarters_down.dec()


@dataclass(frozen=True, slots=True)
class ApiHostUnusable(Event, level=Level.ERROR):
    """This machine cannot use the API's host, for a reason of its own. From now on one office at a time tests it."""

    host: str
    kind: str
    """Of the failure: its certificate is refused, its name is not resolved, or the proxy opens no connection."""
    reason: str

    def record_metrics(self, metrics: FleetMetrics) -> None:
        metrics.api_host_unusable.inc()


@dataclass(frozen=True, slots=True)
class ApiHostUsable(Event):
    """This machine can use the API's host again, it now fails itself, or no office uses it: `seconds` later."""

    host: str
    seconds: float

    def record_metrics(self, metrics: FleetMetrics) -> None:
        metrics.api_host_unusable.dec()


@dataclass(frozen=True, slots=True)
class HeadquartersUnused(Event):
    """No office uses a host that was down any more, so its recovery will not be noticed. `seconds` since then."""

    host: str
    seconds: float

    def record_metrics(self, metrics: FleetMetrics) -> None:
        metrics.headquarters_down.dec()
