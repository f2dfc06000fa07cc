"""What happened in a run, in seconds since the world began, which no step of any clock disturbs."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from oddaemon.core.model import Condition, PublishedSnapshot
from oddaemon.settings import OfficeSettings


@dataclass(frozen=True)
class Complaint:
    """What a checker has to say.

    Attributes:
        checker: which one says it.
        office_id: of whom; empty: of no office alone.
        seconds: when, since the world began.
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
    """A snapshot that was said to be published."""

    seconds: float
    snapshot_id: int
    aging_date: date


@dataclass(frozen=True)
class WantedSettings:
    """What is wanted of an office from a moment on; None: nothing."""

    seconds: float
    settings: OfficeSettings | None


@dataclass(frozen=True)
class ReportedCondition:
    """A condition that an office was said to be in from a moment on."""

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
    """Everything that checkers need to know beside the world itself.

    Attributes:
        now: seconds since the world began.
        publications: by office id, in order.
        wishes: by office id, in order.
        called: by office id, in order.
        lives: when a daemon was ready, and when it was gone again (None: it lives).
        clock_steps: when the clock of the daemon's machine was stepped.
        seen: by office id, what its preferences said of aging whenever one of them was asked for.
        cleared_at: when requests were answered as they should be again; None: not yet.
        healed_at: when all troubles were over and everything was put right; None: not yet.
        findings: what the checkers said.
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
        """A line of the daemon's log."""
        seconds, office_id = self.now(), line.get("office", "")
        if line["event"] == "snapshot_published":
            publication = Publication(seconds, line["snapshot_id"], date.fromisoformat(line["aging_date"]))
            self.publications[office_id].append(publication)
        elif line["event"] == "condition_changed":
            self.reported_conditions[office_id].append(ReportedCondition(seconds, Condition(line["after"])))

    def record_wanted(self, office_id: str, settings: OfficeSettings | None) -> None:
        """Something is wanted of an office; nothing happens if it was wanted before."""
        wanted_so_far = self.wanted_settings[office_id]
        if not wanted_so_far or wanted_so_far[-1].settings != settings:
            wanted_so_far.append(WantedSettings(self.now(), settings))

    def record_start(self, stored: Mapping[str, PublishedSnapshot | None]) -> None:
        """A daemon is ready, and knows these snapshots; its predecessor may have died before it logged the last one."""
        for office_id, snapshot in stored.items():
            publications = self.publications[office_id]
            if snapshot is not None and (not publications or publications[-1].snapshot_id < snapshot.id):
                died_at = self.lives[-1][1] if self.lives else None
                publications.append(Publication(died_at or 0.0, snapshot.id, snapshot.aging_date))
        self.lives.append((self.now(), None))

    def record_end(self) -> None:
        """It is gone."""
        self.lives[-1] = (self.lives[-1][0], self.now())

    def add_complaint(self, checker: str, office_id: str, sentence: str) -> None:
        """Remember what a checker says; each says one thing of an office only once."""
        if not any((each.checker, each.office_id) == (checker, office_id) for each in self.complaints):
            self.complaints.append(Complaint(checker, office_id, self.now(), sentence))

    def get_wanted(self, office_id: str) -> WantedSettings | None:
        """What is wanted of an office now; None if it is taken out or switched off."""
        wanted_so_far = self.wanted_settings[office_id]
        if not wanted_so_far or wanted_so_far[-1].settings is None or not wanted_so_far[-1].settings.spec.enabled:
            return None
        return wanted_so_far[-1]

    @property
    def alive_since(self) -> float | None:
        """When the present daemon became ready; None: there is none."""
        if not self.lives or self.lives[-1][1] is not None:
            return None
        return self.lives[-1][0]
