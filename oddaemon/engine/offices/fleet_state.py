"""The present state of every office, in memory, for metrics, pages and the log.

The engine's tasks write it and all others read it, on one event loop and therefore without a lock.
"""

from collections.abc import Callable
from datetime import date, datetime

from oddaemon.core.dates import parse_date
from oddaemon.core.fleet.overview import FleetOverview
from oddaemon.core.reporting.deadlines import find_next_deadline
from oddaemon.core.reporting.office_runtime import OfficeRuntime
from oddaemon.core.reporting.status_document import KeyRotation, OfficeStatus
from oddaemon.telemetry.events import KeyRejectedDuringRotation, KeyRotated, RequestFinished, RequestStarted


class FleetState:
    """All configured offices."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now
        self.offices: dict[str, OfficeRuntime] = {}
        self.requests = 0
        """Sent to all offices since the process started."""
        self.in_flight = 0
        """How many of them are in flight."""
        self.overview: FleetOverview | None = None
        """The hosts, as the database described them last; None: this daemon is the only one, or is no member now."""
        self._holds: Callable[[str], bool] = lambda _: True

    def follow_holder(self, holds: Callable[[str], bool]) -> None:
        """Ask this from now on whether this daemon works for an office."""
        self._holds = holds

    def show_overview(self, overview: FleetOverview | None) -> None:
        """Show who works for each office; None: it is not known."""
        self.overview = overview
        for office_id, runtime in self.offices.items():
            holder = None if overview is None else overview.holders.get(office_id)
            runtime.host, runtime.held_since = (None, None) if holder is None else (holder.host, holder.since)

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
        return [make_office_status(runtime) for runtime in self.offices.values()]

    def get_held_statuses(self) -> list[OfficeStatus]:
        """The offices for which this daemon works: in a fleet, each has its metrics from one host."""
        return [make_office_status(runtime) for runtime in self.offices.values() if self._holds(runtime.spec.id)]


def make_office_status(runtime: OfficeRuntime) -> OfficeStatus:
    """The office for the status document."""
    office, state = runtime.spec, runtime.state
    return OfficeStatus(
        id=office.id,
        name=office.name,
        status=state.standing,
        aging_date=_parse_date_or_none(state.preferences.date_last_aging) if state.preferences else None,
        snapshot=runtime.snapshot,
        requests_last_pull=state.published.requests if state.published else None,
        labels=office.labels,
        key_rotation=runtime.key_rotation,
        requests=runtime.requests,
        failures=runtime.failures,
        fresh_deadline=find_next_deadline(runtime),
        is_quarantined=runtime.is_quarantined,
        host=runtime.host,
        held_since=runtime.held_since,
    )


def _parse_date_or_none(text: str) -> date | None:
    try:
        return parse_date(text)
    except ValueError:
        return None
