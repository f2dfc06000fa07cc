"""How every office stands at this moment, kept in memory for metrics, the status page and the log.

The engine's tasks write, everybody else reads; all of it happens on the event loop, so there is no lock.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime

from oddaemon.core.dates import parse_date
from oddaemon.core.model import Office
from oddaemon.core.office.key_rotation import KeyRotation
from oddaemon.core.office.state import OfficeState
from oddaemon.core.reporting.deadlines import MonitoredOffice, find_next_deadline
from oddaemon.core.reporting.status_document import LastSnapshot, OfficeSummary
from oddaemon.store.snapshot_rows import SnapshotRow
from oddaemon.telemetry.events import KeyRejectedDuringRotation, KeyRotated, RequestFinished, RequestStarted
from oddaemon.telemetry.metrics.office import OfficeMetrics


@dataclass(slots=True)
class OfficeRuntime:
    """One office: what is remembered of it, and what it cost since the process started."""

    office: Office
    state: OfficeState
    snapshot: LastSnapshot | None
    known_since: datetime
    """Or paused no longer, or wanted otherwise: decides by when its first balances since then have to be there."""
    requests: int = 0
    failures: int = 0
    key_rotation: KeyRotation | None = None
    """Known to this process alone, as the former key is."""

    def to_metrics(self) -> OfficeMetrics:
        """For the metrics."""
        return OfficeMetrics(
            office=self.office.id,
            status=self.state.standing,
            aging_date=self.snapshot.aging_date if self.snapshot else None,
            published_at=self.snapshot.published_at if self.snapshot else None,
            guarantors=self.snapshot.guarantors if self.snapshot else None,
            requests=self.requests,
            failures=self.failures,
            fresh_deadline=find_next_deadline(self.to_monitored()),
        )

    def to_monitored(self) -> MonitoredOffice:
        """For whoever counts the nights."""
        return MonitoredOffice(self.office, self.state, self.known_since)

    def to_summary(self) -> OfficeSummary:
        """For people."""
        return replace(make_office_summary(self.office, self.state, self.snapshot), key_rotation=self.key_rotation)


class FleetState:
    """All offices of the configuration."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now
        self.offices: dict[str, OfficeRuntime] = {}
        self.requests = 0
        """Sent since the process started, to whichever office."""
        self.in_flight = 0
        """Of those, how many wait for their answer."""

    def observe(self, event: object) -> None:
        """A request left or came back, or the change of a key went on."""
        match event:
            case RequestStarted(office=office):
                self.requests += 1
                self.in_flight += 1
                if office in self.offices:
                    self.offices[office].requests += 1
            case RequestFinished():
                self.in_flight -= 1
            case KeyRejectedDuringRotation(office=office, key=key, until=until) if office in self.offices:
                self.offices[office].key_rotation = KeyRotation(until, previous_accepted=key == "new")
            case KeyRotated(office=office) if office in self.offices:
                self.offices[office].key_rotation = None

    def get_metrics(self) -> tuple[OfficeMetrics, ...]:
        """A picture for one scrape."""
        return tuple(runtime.to_metrics() for runtime in self.offices.values())

    def get_summaries(self) -> list[OfficeSummary]:
        """A picture for the status document."""
        return [runtime.to_summary() for runtime in self.offices.values()]


def make_office_summary(office: Office, state: OfficeState, snapshot: LastSnapshot | None) -> OfficeSummary:
    """What is told of an office, from what is remembered of it."""
    return OfficeSummary(
        id=office.id,
        name=office.name,
        status=state.standing,
        aging_date=_parse_date_or_none(state.preferences.date_last_aging) if state.preferences else None,
        snapshot=snapshot,
        requests_last_pull=state.published.requests if state.published else None,
        labels=office.labels,
    )


def make_last_snapshot(row: SnapshotRow) -> LastSnapshot:
    """A stored snapshot, as it is told."""
    return LastSnapshot(
        row.id, row.aging_date, row.published_at, row.totals.guarantors, row.totals.bal_total, row.verified
    )


def _parse_date_or_none(text: str) -> date | None:
    try:
        return parse_date(text)
    except ValueError:
        return None
