"""Everything that can happen, one class each: its log level, its name, its fields, and the metrics it moves.

Whoever does the thing emits the event; nobody else logs or counts.
"""

from oddaemon.telemetry.events.daemon import (
    ConfigurationLoaded,
    ConfigurationRejected,
    DaemonDraining,
    DaemonReady,
    DaemonStarted,
    DaemonStopped,
    LibraryMessage,
    LogLinesLost,
    MaintenanceFinished,
)
from oddaemon.telemetry.events.office import (
    AgingObserved,
    ClockMismatch,
    ConditionChanged,
    FailureSeen,
    OfficeQuarantined,
    OfficeStarted,
    OfficeStopped,
    PageStored,
    PullRejected,
    PullStarted,
    ReaderChanged,
    RequestFinished,
    RequestStarted,
    SnapshotPublished,
    WorkerCrashed,
)

__all__ = [
    "AgingObserved",
    "ClockMismatch",
    "ConditionChanged",
    "ConfigurationLoaded",
    "ConfigurationRejected",
    "DaemonDraining",
    "DaemonReady",
    "DaemonStarted",
    "DaemonStopped",
    "FailureSeen",
    "LibraryMessage",
    "LogLinesLost",
    "MaintenanceFinished",
    "OfficeQuarantined",
    "OfficeStarted",
    "OfficeStopped",
    "PageStored",
    "PullRejected",
    "PullStarted",
    "ReaderChanged",
    "RequestFinished",
    "RequestStarted",
    "SnapshotPublished",
    "WorkerCrashed",
]
