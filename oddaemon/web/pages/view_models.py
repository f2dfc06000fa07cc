"""What the pages are painted from: plain values of one moment, handed over by whoever knows the offices.

Sums and counts of a whole office are the finest grain; nothing here says anything about a patient.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from oddaemon.core.model import Preferences, Status
from oddaemon.core.office.clock import OfficeClock
from oddaemon.core.office.key_rotation import KeyRotation
from oddaemon.core.reporting.forecast import Forecast
from oddaemon.core.reporting.night_history import Night, Publication
from oddaemon.core.reporting.status_document import LastSnapshot


@dataclass(frozen=True, slots=True)
class OfficeOverview:
    """One office at a glance."""

    id: str
    name: str
    status: Status
    """As of the picture's moment: what waits past its hour is told as late."""
    forecast: Forecast
    clock: OfficeClock
    zone: str = ""
    """The name of the office's zone; empty: none is configured, its clock is measured."""
    labels: tuple[tuple[str, str], ...] = ()
    fresh_by: time | None = None
    """On the office's clock; None: never late."""
    snapshot: LastSnapshot | None = None
    early_by: timedelta | None = None
    """How long before its hour that snapshot was there, below zero if it was late; None: it had none."""


@dataclass(frozen=True, slots=True)
class FleetPageView:
    """All offices at one moment."""

    offices: tuple[OfficeOverview, ...]
    generation: int = 0
    """Rises when the configuration is put in force again."""
    configured_at: datetime | None = None
    """When that was; None: it is not in force yet."""
    not_ready_reason: str = ""
    """Why the daemon is not at work, as a clause; empty: it is."""


@dataclass(frozen=True, slots=True)
class JournalLine:
    """One decision or exchange that is remembered of an office, free of secrets and patients."""

    at: datetime
    level: str
    """`debug`, `info`, `warning` or `error`."""
    text: str
    """A sentence."""


@dataclass(frozen=True, slots=True)
class OfficePageView:
    """One office in full."""

    overview: OfficeOverview
    nights: tuple[Night, ...] = ()
    """The oldest first."""
    publications: tuple[Publication, ...] = ()
    """The latest first."""
    journal: tuple[JournalLine, ...] = ()
    """The latest first."""
    preferences: Preferences | None = None
    run_seconds: float | None = None
    """From the due time to the completion of aging, last time."""
    skew_seconds: float | None = None
    reader: str = ""
    """How it is read, as a clause."""
    failures: int = 0
    """In a row."""
    key_rotation: KeyRotation | None = None
    """A changed key that is not accepted yet."""


@dataclass(frozen=True, slots=True)
class PageViewSource:
    """Where pictures come from; both are taken on the event loop and cheap enough to be asked for every second."""

    get_fleet: Callable[[], Awaitable[FleetPageView]]
    get_office: Callable[[str], Awaitable[OfficePageView | None]]
    """None: no office of this id is configured."""
