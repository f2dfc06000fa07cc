"""The present state of every office, in memory, for metrics, pages and the log.

The engine's tasks write it and all others read it, on one event loop and therefore without a lock.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime

from oddaemon.core.dates import parse_date
from oddaemon.core.model import OfficeSpec, PublishedSnapshot
from oddaemon.core.office.state import OfficeState
from oddaemon.core.reporting.deadlines import MonitoredOffice, find_next_deadline
from oddaemon.core.reporting.status_document import KeyRotation, OfficeStatus
from oddaemon.telemetry.events import KeyRejectedDuringRotation, KeyRotated, RequestFinished, RequestStarted


@dataclass(slots=True)
class OfficeRuntime(MonitoredOffice):
    """One office: its state, its last snapshot, and its counters since the process started."""

    snapshot: PublishedSnapshot | None = None
    requests: int = 0
    failures: int = 0
    is_quarantined: bool = False
    """Its worker crashed too often and rests."""
    key_rotation: KeyRotation | None = None
    """Known to this process only, like the previous key."""
    error_text: str = ""
    """That of the last action, as it was received; "": it did not fail. It may quote a patient's data, so it is neither
    stored nor logged, and only `explain` shows it."""

    def to_status(self) -> OfficeStatus:
        """The office for the status document."""
        return replace(
            make_office_status(self.spec, self.state, self.snapshot),
            key_rotation=self.key_rotation,
            requests=self.requests,
            failures=self.failures,
            is_quarantined=self.is_quarantined,
            fresh_deadline=find_next_deadline(self),
        )


class FleetState:
    """All configured offices."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now
        self.offices: dict[str, OfficeRuntime] = {}
        self.requests = 0
        """Sent to all offices since the process started."""
        self.in_flight = 0
        """How many of them are in flight."""

    def observe(self, event: object) -> None:
        """A request started or finished, or a key rotation progressed."""
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

    def get_statuses(self) -> list[OfficeStatus]:
        """All offices for the status document."""
        return [runtime.to_status() for runtime in self.offices.values()]


def make_office_status(office: OfficeSpec, state: OfficeState, snapshot: PublishedSnapshot | None) -> OfficeStatus:
    """The summary of an office, from its stored state."""
    return OfficeStatus(
        id=office.id,
        name=office.name,
        status=state.standing,
        aging_date=_parse_date_or_none(state.preferences.date_last_aging) if state.preferences else None,
        snapshot=snapshot,
        requests_last_pull=state.published.requests if state.published else None,
        labels=office.labels,
    )


def _parse_date_or_none(text: str) -> date | None:
    try:
        return parse_date(text)
    except ValueError:
        return None
