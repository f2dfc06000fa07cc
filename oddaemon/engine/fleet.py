"""How every office stands at this moment, kept in memory for metrics, the status page and the log.

The engine's tasks write, everybody else reads; all of it happens on the event loop, so there is no lock.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime

from oddaemon.core.aging import parse_date
from oddaemon.core.key_trial import KeyTrial
from oddaemon.core.model import Office
from oddaemon.core.morning import Watched, deadline
from oddaemon.core.state import OfficeState
from oddaemon.core.status import OfficeStatus, PublishedSnapshot
from oddaemon.store.snapshot_row import SnapshotRow
from oddaemon.telemetry.events import KeyInForce, KeyNotInForce, RequestFinished, RequestStarted
from oddaemon.telemetry.fleet import OfficeFigures


@dataclass(slots=True)
class OfficeView:
    """One office: what is remembered of it, and what it cost since the process started."""

    office: Office
    state: OfficeState
    snapshot: PublishedSnapshot | None
    known_since: datetime
    """Or paused no longer, or wanted otherwise: decides by when its first balances since then have to be there."""
    requests: int = 0
    failures: int = 0
    key_trial: KeyTrial | None = None
    """Known to this process alone, as the former key is."""

    def figures(self) -> OfficeFigures:
        """For the metrics."""
        return OfficeFigures(
            office=self.office.id,
            standing=self.state.standing,
            aging_date=self.snapshot.aging_date if self.snapshot else None,
            published_at=self.snapshot.published_at if self.snapshot else None,
            guarantors=self.snapshot.guarantors if self.snapshot else None,
            requests=self.requests,
            failures=self.failures,
            fresh_deadline=deadline(self.watched()),
        )

    def watched(self) -> Watched:
        """For whoever counts the nights."""
        return Watched(self.office, self.state, self.known_since)

    def status(self) -> OfficeStatus:
        """For people."""
        return replace(office_status(self.office, self.state, self.snapshot), key_trial=self.key_trial)


class Fleet:
    """All offices of the configuration."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now
        self.views: dict[str, OfficeView] = {}
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
                if office in self.views:
                    self.views[office].requests += 1
            case RequestFinished():
                self.in_flight -= 1
            case KeyNotInForce(office=office, key=key, until=until) if office in self.views:
                self.views[office].key_trial = KeyTrial(until, former_accepted=key == "new")
            case KeyInForce(office=office) if office in self.views:
                self.views[office].key_trial = None

    def figures(self) -> tuple[OfficeFigures, ...]:
        """A picture for one scrape."""
        return tuple(view.figures() for view in self.views.values())

    def statuses(self) -> list[OfficeStatus]:
        """A picture for the status document."""
        return [view.status() for view in self.views.values()]


def office_status(office: Office, state: OfficeState, snapshot: PublishedSnapshot | None) -> OfficeStatus:
    """What is told of an office, from what is remembered of it."""
    return OfficeStatus(
        id=office.id,
        name=office.name,
        standing=state.standing,
        aging_date=_date_or_none(state.preferences.date_last_aging) if state.preferences else None,
        snapshot=snapshot,
        requests_last_pull=state.published.requests if state.published else None,
        labels=office.labels,
    )


def published_snapshot(row: SnapshotRow) -> PublishedSnapshot:
    """A stored snapshot, as it is told."""
    return PublishedSnapshot(
        row.id, row.aging_date, row.published_at, row.totals.guarantors, row.totals.bal_total, row.verified
    )


def _date_or_none(text: str) -> date | None:
    try:
        return parse_date(text)
    except ValueError:
        return None
