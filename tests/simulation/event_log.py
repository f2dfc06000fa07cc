"""What happened in a run, in seconds since the simulation began, which no clock step changes."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from oddaemon.core.model import Condition, PublishedSnapshot
from oddaemon.settings import OfficeSettings


@dataclass(frozen=True)
class Complaint:
    """A violation that a checker found.

    Attributes:
        checker: which one found it.
        office_id: the office; empty: no single office.
        seconds: when, since the simulation began.
        sentence: what is wrong.
    """

    checker: str
    office_id: str
    seconds: float
    sentence: str

    def __str__(self) -> str:
        whom = f" {self.office_id}" if self.office_id else ""
        return f"[{self.checker}]{whom} at {self.seconds:.0f} s: {self.sentence}"


@dataclass(frozen=True)
class Publication:
    """A snapshot that the daemon reported as published."""

    seconds: float
    snapshot_id: int
    aging_date: date


@dataclass(frozen=True)
class WantedSettings:
    """The settings of an office from a moment on; None: it is not configured."""

    seconds: float
    settings: OfficeSettings | None


@dataclass(frozen=True)
class ReportedCondition:
    """The condition that the daemon reported of an office from a moment on."""

    seconds: float
    condition: Condition


@dataclass(frozen=True)
class AgingObservation:
    """The state of aging at a request. A response holds one of the two values; the other is the last one seen."""

    seconds: float
    lock: str
    date_last_aging: str


@dataclass
class EventLog:
    """Everything that checkers need besides the simulated world itself.

    Attributes:
        now: seconds since the simulation began.
        publications: by office id, in order.
        wishes: by office id, in order.
        called: by office id, in order.
        lives: when a daemon was ready, and when it had ended (None: it is running).
        clock_steps: when the clock of the daemon's machine was stepped.
        seen: by office id, what its preferences said of aging whenever one of them was asked for.
        cleared_at: when requests were answered as they should be again; None: not yet.
        recovered_at: when all incidents had ended and everything was repaired; None: not yet.
        findings: what the checkers found.
    """

    now: Callable[[], float]
    publications: defaultdict[str, list[Publication]] = field(default_factory=lambda: defaultdict(list))
    wanted_settings: defaultdict[str, list[WantedSettings]] = field(default_factory=lambda: defaultdict(list))
    reported_conditions: defaultdict[str, list[ReportedCondition]] = field(default_factory=lambda: defaultdict(list))
    lives: list[tuple[float, float | None]] = field(default_factory=list)
    clock_steps: list[float] = field(default_factory=list)
    aging_observations: defaultdict[str, list[AgingObservation]] = field(default_factory=lambda: defaultdict(list))
    faults_cleared_at: float | None = None
    recovered_at: float | None = None
    complaints: list[Complaint] = field(default_factory=list)

    def record_line(self, line: dict[str, Any]) -> None:
        """Record a line of the daemon's log."""
        seconds, office_id = self.now(), line.get("office", "")
        if line["event"] == "snapshot_published":
            publication = Publication(seconds, line["snapshot_id"], date.fromisoformat(line["aging_date"]))
            self.publications[office_id].append(publication)
        elif line["event"] == "condition_changed":
            self.reported_conditions[office_id].append(ReportedCondition(seconds, Condition(line["after"])))

    def record_wanted(self, office_id: str, settings: OfficeSettings | None) -> None:
        """Record the settings of an office, if they have changed."""
        wanted_so_far = self.wanted_settings[office_id]
        if not wanted_so_far or wanted_so_far[-1].settings != settings:
            wanted_so_far.append(WantedSettings(self.now(), settings))

    def record_start(self, stored: Mapping[str, PublishedSnapshot | None]) -> None:
        """Record that a daemon is ready, with the stored snapshots: the previous one may not have logged its last."""
        for office_id, snapshot in stored.items():
            publications = self.publications[office_id]
            if snapshot is not None and (not publications or publications[-1].snapshot_id < snapshot.id):
                died_at = self.lives[-1][1] if self.lives else None
                publications.append(Publication(died_at or 0.0, snapshot.id, snapshot.aging_date))
        self.lives.append((self.now(), None))

    def record_end(self) -> None:
        """Record that the daemon has ended."""
        self.lives[-1] = (self.lives[-1][0], self.now())

    def add_complaint(self, checker: str, office_id: str, sentence: str) -> None:
        """Record a complaint; each checker complains of an office about one thing only once."""
        if not any((each.checker, each.office_id) == (checker, office_id) for each in self.complaints):
            self.complaints.append(Complaint(checker, office_id, self.now(), sentence))

    def get_wanted(self, office_id: str) -> WantedSettings | None:
        """The present settings of an office; None: it was removed or disabled."""
        wanted_so_far = self.wanted_settings[office_id]
        if not wanted_so_far or wanted_so_far[-1].settings is None or not wanted_so_far[-1].settings.spec.enabled:
            return None
        return wanted_so_far[-1]

    @property
    def alive_since(self) -> float | None:
        """When the running daemon became ready; None: none is running."""
        if not self.lives or self.lives[-1][1] is not None:
            return None
        return self.lives[-1][0]
