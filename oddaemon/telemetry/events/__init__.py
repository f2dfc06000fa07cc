"""Everything that can happen, one class each: its log level, its name, its fields, and the metrics it moves.

The component that does something emits the event. No other code logs or counts.
"""

from oddaemon.telemetry.events.backfill import (
    BackfillCancelled,
    BackfillCrashed,
    BackfillFailed,
    BackfillPublished,
    BackfillRequested,
    SftpListening,
)
from oddaemon.telemetry.events.base import Event
from oddaemon.telemetry.events.commands import (
    CommandIgnored,
    CommandReceived,
    ConfigurationWatchFailed,
    JobFailed,
    JobFinished,
)
from oddaemon.telemetry.events.daemon import (
    ConfigurationLoaded,
    ConfigurationRejected,
    DaemonDraining,
    DaemonReady,
    DaemonStarted,
    DaemonStopped,
    EngineRecovered,
    EngineStalled,
    JournalEntriesLost,
    LibraryMessage,
    LogLinesLost,
    StoreFailed,
    StoreOpened,
    StoreRecovered,
    StoreSlow,
)
from oddaemon.telemetry.events.headquarters import HeadquartersDown, HeadquartersRecovered, HeadquartersUnused
from oddaemon.telemetry.events.maintenance import (
    FleetDigest,
    MaintenanceFailed,
    MaintenanceFinished,
    MaintenancePlanned,
    MaintenanceSkipped,
)
from oddaemon.telemetry.events.night import (
    DeadlineMissed,
    DeadlineRecovered,
    HeartbeatPingFailed,
    HeartbeatPingSent,
    NightComplete,
    NightMissed,
    NightRecovered,
)
from oddaemon.telemetry.events.office import (
    AgingStatusChanged,
    ClockMismatch,
    ConditionChanged,
    FailureSeen,
    KeyRejectedDuringRotation,
    KeyRotated,
    OfficeErased,
    OfficeQuarantined,
    OfficeStarted,
    OfficeStopped,
    PageStored,
    PullRejected,
    PullStarted,
    ReaderChanged,
    RequestFinished,
    RequestStarted,
    SnapshotHeld,
    SnapshotPublished,
    WorkerCrashed,
)
from oddaemon.telemetry.events.sinks import (
    CourierCrashed,
    DeliveryAbandoned,
    DeliveryAttemptFailed,
    DeliverySkipped,
    DeliverySucceeded,
    OutboxSize,
    SinkStarted,
    SinkStopped,
)

EVENT_TYPES: tuple[type[Event], ...] = tuple(
    each for each in globals().values() if isinstance(each, type) and issubclass(each, Event) and each is not Event
)
"""Every event."""
