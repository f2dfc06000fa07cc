"""The present state of every office, in memory, for metrics, pages and the log.

The engine's tasks write it and all others read it, on one event loop and therefore without a lock.
"""

from collections.abc import Callable
from datetime import date, datetime

from oddaemon.core.dates import parse_date
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
    )


def _parse_date_or_none(text: str) -> date | None:
    try:
        return parse_date(text)
    except ValueError:
        return None
