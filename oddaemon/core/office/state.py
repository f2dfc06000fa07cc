"""What is remembered of an office, what an action can bring, and which actions there are.

Values only: the transitions between them are in `machine.py`.
"""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from oddaemon.core.failures.failure import Failure
from oddaemon.core.model import (
    AgingMark,
    Cadence,
    ControlQueryResult,
    DatabaseIdentity,
    Office,
    Plausibility,
    Preferences,
    Reader,
    Snapshot,
    SnapshotSummary,
    Status,
)
from oddaemon.core.snapshot.packing import FIRST_PACKING, Packing

DEFAULT_PLAUSIBILITY = Plausibility()


class IllegalObservationError(Exception):
    """An observation that no action of this state can produce: an error in oddaemon."""


class Intent(StrEnum):
    """What an office does next, once its `not_before` has come."""

    SURVEY = "survey"
    MEASURE_CLOCK = "measure_clock"
    PROBE = "probe"
    PULL = "pull"


@dataclass(frozen=True, slots=True)
class Published:
    """The office's last published snapshot, as far as decisions need it."""

    aging_date: date
    published_at: datetime
    guarantors: int
    requests: int
    scope: str
    """What was wanted of the office then; another wish asks for another snapshot."""
    outline: SnapshotSummary | None = None
    """What the next one is judged by."""


@dataclass(frozen=True, slots=True)
class OfficeState:
    """All that is remembered of an office between two actions; stored after each, so a restart forgets nothing."""

    intent: Intent
    standing: Status
    not_before: datetime
    attempts: int = 0
    """Failures in a row."""
    rereads: int = 0
    """Pulls in a row that did not add up."""
    moves: int = 0
    """Pulls in a row that aging ran into."""
    statement_failures: int = 0
    """Times in a row that the statement broke off while a GET was answered."""
    preferences: Preferences | None = None
    skew_seconds: float | None = None
    """How far the office's clock is from `skew_zone`; None: not measured yet."""
    skew_zone: str = ""
    """The configured zone when the skew was measured: against another it means nothing."""
    measured_at: datetime | None = None
    """When that was, on our clock, which may have been wrong then."""
    reader: Reader = Reader.STATEMENT
    packing: Packing = FIRST_PACKING
    published: Published | None = None
    run_seconds: float | None = None
    """From the due time to the completion of the last night's run."""
    run_seen: AgingMark | None = None
    """Where aging stood when a run was last seen in progress since the last snapshot: the balances are others even
    under the same date, and those of no run at all if it was broken off."""
    confirming: Failure | None = None
    """What a statement met, while a GET finds out whether the office or only the statement is in trouble."""
    identity: DatabaseIdentity | None = None
    """The database of the published snapshots, or that of which the first survey told; None: it did not."""
    unidentified: bool = False
    """The key was in trouble, or the practice has another name: it must show which database it opens."""
    stranger: DatabaseIdentity | None = None
    """The other database that answered, while the office is blocked for it."""
    held: SnapshotSummary | None = None
    """A snapshot that was not believed, until it is read again."""
    accepted: bool = False
    """A human believes what is read next, whatever it is."""
    paused: bool = False
    """A human wants the office left alone until somebody says otherwise."""


# --- observations: what an action brought -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Started:
    """The worker begins, with a stored or a new state."""


@dataclass(frozen=True, slots=True)
class TimerFired:
    """The waiting is over, or was cut short."""


@dataclass(frozen=True, slots=True)
class Surveyed:
    """All preferences were read."""

    preferences: Preferences


@dataclass(frozen=True, slots=True)
class Probed:
    """The two preferences that move were read."""

    date_last_aging: str
    aging_begin: str


@dataclass(frozen=True, slots=True)
class ClockMeasured:
    """The office's server told its time."""

    skew_seconds: float
    identity: DatabaseIdentity


@dataclass(frozen=True, slots=True)
class Pulled:
    """A whole office was read and proved."""

    snapshot: Snapshot
    control: ControlQueryResult
    """What proved it."""
    packing: Packing | None
    """What would have packed it best; None: read pages from now on."""
    skew_seconds: float


@dataclass(frozen=True, slots=True)
class PublishSucceeded:
    """The snapshot and the state that came with it are stored."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The action brought nothing but this."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class AcceptCommand:
    """A human says that what is held back is right, instead of the end of a wait."""


@dataclass(frozen=True, slots=True)
class PauseCommand:
    """A human wants the office left alone from now on."""


@dataclass(frozen=True, slots=True)
class ResumeCommand:
    """A human wants a paused office watched again."""


@dataclass(frozen=True, slots=True)
class SyncCommand:
    """A human wants the office asked now, whatever it waits for."""


Command = AcceptCommand | PauseCommand | ResumeCommand | SyncCommand
"""What a human can ask of an office, instead of the end of a wait."""

Observation = Started | TimerFired | Surveyed | Probed | ClockMeasured | Pulled | PublishSucceeded | Failed | Command


# --- actions: what to do next -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing before `until`."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Survey:
    """Read every preference that aging hangs on."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Ask whether a run is in progress, and then for the date of the last one.

    In this order: a run that ends between the two is seen as running, never as broken off.
    """


@dataclass(frozen=True, slots=True)
class MeasureClock:
    """Ask the office's server for its time and its identity."""


@dataclass(frozen=True, slots=True)
class Pull:
    """Read all balances and prove them."""

    reader: Reader
    packing: Packing
    aging_date: date
    expected: AgingMark
    identity: DatabaseIdentity | None = None
    """Of the database that must answer; None: whichever does."""
    since: datetime | None = None
    """The office's time of the last published snapshot: rows written later count as touched."""


@dataclass(frozen=True, slots=True)
class Publish:
    """Store the snapshot and the state returned beside this action, in one transaction."""

    snapshot: Snapshot


Action = Wait | Survey | Probe | MeasureClock | Pull | Publish


@dataclass(frozen=True, slots=True)
class OfficeSpec:
    """What the configuration wants of an office."""

    office: Office
    cadence: Cadence
    plausibility: Plausibility = DEFAULT_PLAUSIBILITY

    @property
    def scope(self) -> str:
        """Which guarantors are wanted, as a comparable text."""
        return self.office.scope
