"""What the pages show: plain values of one moment.

Sums and counts of a whole office are the finest grain; nothing here is about a single patient.
"""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Protocol

from oddaemon.core.model import Preferences, PublishedSnapshot, Status
from oddaemon.core.office.clock import OfficeClock
from oddaemon.core.reporting.forecast import Forecast
from oddaemon.core.reporting.night_history import Night
from oddaemon.core.reporting.status_document import KeyRotation


@dataclass(frozen=True, slots=True)
class JournalLine:
    """One journal entry of an office, free of secrets and patient data."""

    at: datetime
    level: str
    """`debug`, `info`, `warning` or `error`."""
    text: str


@dataclass(frozen=True, slots=True)
class OfficeView:
    """One office: at a glance on the page of the fleet, and on its own page with its history."""

    id: str
    name: str
    status: Status
    """As of the view's moment: an office that waits past its deadline is late."""
    forecast: Forecast
    clock: OfficeClock
    zone: str = ""
    """The name of the office's time zone; "": none is configured, its clock is measured."""
    labels: tuple[tuple[str, str], ...] = ()
    fresh_by: time | None = None
    """The deadline on the office's clock; None: it has none."""
    snapshot: PublishedSnapshot | None = None
    early_by: timedelta | None = None
    """How long before its deadline that snapshot was published, negative if after it; None: it had none."""
    nights: tuple[Night, ...] = ()
    """Oldest first. This and what follows is empty on the page of the fleet."""
    publications: tuple[PublishedSnapshot, ...] = ()
    """Latest first."""
    journal: tuple[JournalLine, ...] = ()
    """Latest first."""
    preferences: Preferences | None = None
    run_seconds: float | None = None
    """From the due time to the completion of the last aging run."""
    skew_seconds: float | None = None
    reader: str = ""
    """How it is read, as a clause."""
    key_rotation: KeyRotation | None = None
    """A changed key that the API does not accept yet."""
    host: str | None = None
    """Who works for it; "": no host does; None: there is no fleet."""


@dataclass(frozen=True, slots=True)
class HostView:
    """A host of the fleet."""

    name: str
    stage: str
    offices: int
    version: str
    since: datetime
    network: str


@dataclass(frozen=True, slots=True)
class GoneHostView:
    """A member that has gone."""

    name: str
    at: datetime
    why: str


@dataclass(frozen=True, slots=True)
class HostsView:
    """The hosts of the fleet."""

    me: str
    """The one that serves the page."""
    hosts: tuple[HostView, ...]
    gone: tuple[GoneHostView, ...]
    """Within the hour, the last one first."""
    warnings: tuple[str, ...]
    """What an operator should know of them, a sentence each."""


@dataclass(frozen=True, slots=True)
class FleetPageView:
    """All offices at one moment."""

    offices: tuple[OfficeView, ...]
    generation: int = 0
    """Rises when the configuration is applied again."""
    configured_at: datetime | None = None
    """When that was; None: it is not applied yet."""
    not_ready_reason: str = ""
    """Why the daemon is not ready, as a clause; "": it is."""
    hosts: HostsView | None = None
    """None: there is no fleet."""


class PageViewSource(Protocol):
    """Builds the views, on the event loop and cheaply enough for one a second."""

    async def build_fleet(self) -> FleetPageView:
        """All offices as of now."""
        ...

    async def build_office(self, office_id: str) -> OfficeView | None:
        """One office as of now, with its history; None: it is not configured."""
        ...
