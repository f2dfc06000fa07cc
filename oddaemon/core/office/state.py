"""What is remembered of an office, the observations that an action can bring, and the actions.

Values only: the transitions between them are in `machine.py`.
"""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from oddaemon.core.failures.failure import Failure
from oddaemon.core.model import (
    AgingMark,
    ControlQueryResult,
    DatabaseIdentity,
    Preferences,
    Reader,
    SnapshotSummary,
    Status,
)
from oddaemon.core.office.completion import Completion
from oddaemon.core.snapshot.packing import FIRST_PACKING, Packing


class IllegalObservationError(Exception):
    """An observation that no action of this state can produce: a bug in oddaemon."""


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
    """The guarantors that were selected then; another selection needs another snapshot."""
    outline: SnapshotSummary | None = None
    """The next snapshot is compared with it."""


@dataclass(frozen=True, slots=True)
class OfficeState:
    """All that is remembered of an office between two actions; stored after each, so a restart forgets nothing."""

    intent: Intent
    standing: Status
    not_before: datetime
    attempts: int = 0
    """Failures in a row."""
    rereads: int = 0
    """Pulls in a row that failed verification."""
    moves: int = 0
    """Pulls in a row during which aging ran."""
    statement_failures: int = 0
    """Times in a row that the statement failed while a GET was answered."""
    statement_not_before: datetime | None = None
    """An earlier statement had no answer in time and may still run at the office: no other one begins before."""
    preferences: Preferences | None = None
    skew_seconds: float | None = None
    """How far the office's clock is from `skew_zone`; None: not measured yet."""
    skew_zone: str = ""
    """The zone that was configured when the skew was measured: it is valid for this zone only."""
    measured_at: datetime | None = None
    """When the skew was measured, on our clock, which may have been wrong."""
    reader: Reader = Reader.STATEMENT
    packing: Packing = FIRST_PACKING
    published: Published | None = None
    run_seconds: float | None = None
    """From the due time to the completion of the last night's run."""
    completions: tuple[Completion, ...] = ()
    """When the runs of the last nights were complete, the oldest first."""
    incomplete_at: datetime | None = None
    """When a probe last found a run due or running."""
    run_seen: AgingMark | None = None
    """What the preferences said while the lock was last seen held since the last snapshot: the balances differ even
    under the same date. Before version 22.2 they may come from two runs if the date did not move."""
    stale: AgingMark | None = None
    """The date and the lock that GETs reported although the office's own table had later ones: a cache or a replica
    answers. They are ignored while they are repeated."""
    confirming: Failure | None = None
    """The failure of a statement, while a GET finds out whether the office or only the statement fails."""
    identity: DatabaseIdentity | None = None
    """The database of the published snapshots, or the one that the first survey showed; None: not known."""
    unidentified: bool = False
    """The key failed, or the practice has another name: check which database the key opens."""
    stranger: DatabaseIdentity | None = None
    """The other database that answered, while the office is blocked for it."""
    held: SnapshotSummary | None = None
    """The implausible snapshot that is held back until a second reading."""
    accepted: bool = False
    """An operator accepts the next snapshot, whatever it holds."""
    paused: bool = False
    """An operator has paused the office."""
    awaits_api: bool = False
    """The last request failed in a way that concerns the API's host: ask as soon as that answers others."""


# --- observations: what an action brought -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Started:
    """The worker starts, with a stored or a new state."""


@dataclass(frozen=True, slots=True)
class TimerFired:
    """The wait has ended, or was interrupted."""


@dataclass(frozen=True, slots=True)
class TurnCame:
    """It is the office's turn to ask the API, which was down: to find out for all, or because it answers again."""


@dataclass(frozen=True, slots=True)
class Surveyed:
    """All preferences were read."""

    preferences: Preferences


@dataclass(frozen=True, slots=True)
class Probed:
    """The two preferences that change with aging were read."""

    mark: AgingMark


@dataclass(frozen=True, slots=True)
class ClockMeasured:
    """The office's server returned its time and identity, and its state of aging."""

    skew_seconds: float
    identity: DatabaseIdentity
    mark: AgingMark | None = None
    """What the office's own table says of aging at that instant; None: it was not asked."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """The whole office was read and verified. The snapshot itself goes from the reader to the database."""

    aging_date: date
    requests: int
    control: ControlQueryResult
    """What the snapshot was verified with."""
    packing: Packing | None
    """The best packing for the next statement; None: read pages from now on."""
    skew_seconds: float


@dataclass(frozen=True, slots=True)
class PublishSucceeded:
    """The snapshot and its state are stored."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The action failed."""

    failure: Failure


class OfficeCommand(StrEnum):
    """An operator's command about one office, which interrupts a wait."""

    ACCEPT = "accept"
    """Publish what is held back as implausible, or accept the database that answers."""
    PAUSE = "pause"
    """Send no requests until it is resumed."""
    RESUME = "resume"
    """End a pause."""
    SYNC = "sync"
    """Ask the office now, whatever it waits for."""


Observation = (
    Started
    | TimerFired
    | TurnCame
    | Surveyed
    | Probed
    | ClockMeasured
    | Pulled
    | PublishSucceeded
    | Failed
    | OfficeCommand
)


# --- actions: what to do next -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing before `until`."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Survey:
    """Read every preference that aging depends on."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Ask whether a run is in progress, then for the date of the last one.

    In this order, a run that ends between the two requests is seen as running, never as incomplete.
    """


@dataclass(frozen=True, slots=True)
class MeasureClock:
    """Ask the office's server for its time and its identity."""


@dataclass(frozen=True, slots=True)
class Pull:
    """Read all balances and verify them."""

    reader: Reader
    packing: Packing
    aging_date: date
    expected: AgingMark
    identity: DatabaseIdentity | None = None
    """The database that must answer; None: any."""
    since: datetime | None = None
    """The office's time of the last published snapshot: rows written later count as touched."""


@dataclass(frozen=True, slots=True)
class Publish:
    """Store the pulled snapshot and the state returned beside this action, in one transaction."""


Action = Wait | Survey | Probe | MeasureClock | Pull | Publish
