"""The values of the domain, used by all packages.

Money is integer cents, instants are aware UTC datetimes, an aging date is the office's own calendar day.
No clock, no randomness, and no knowledge of how a value is stored or sent.
"""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from operator import attrgetter
from typing import NamedTuple

from oddaemon.core.backoff import Backoff
from oddaemon.core.config_diff import Effect, setting
from oddaemon.core.secret import Secret

MONEY_COLUMNS = ("est_balance", "bal_0_30", "bal_31_60", "bal_61_90", "bal_over_90", "ins_est", "bal_total")


class Include(StrEnum):
    """Which guarantors belong to a snapshot."""

    ALL = "all"
    """Any of the seven money columns differs from zero: debts and credits."""
    DEBTS = "debts"
    """The vendor's documented filter: any of the seven is above zero."""


class Reader(StrEnum):
    """How an office's balances are read."""

    AUTO = "auto"
    """`statement`, until the office's responses show that `pages` is needed."""
    STATEMENT = "statement"
    """The whole office packed into the rows of one statement."""
    PAGES = "pages"
    """Key-set pages, framed by a control query before and after."""
    REPORT = "report"
    """The vendor's aging report, read twice: for a key that may not query, and for other days than the last aging."""
    SFTP = "sftp"
    """A file that the office uploads, between two controls: for one so large that its statements take too long."""


class Condition(StrEnum):
    """The state of an office, as users see it."""

    FRESH = "fresh"
    WAITING = "waiting"
    AGING = "aging"
    PULLING = "pulling"
    LATE = "late"
    UNREACHABLE = "unreachable"
    BLOCKED = "blocked"
    SUSPECT = "suspect"
    PAUSED = "paused"


class Owner(StrEnum):
    """Who must act, or whose fault a failure is."""

    US = "us"
    OFFICE = "office"
    VENDOR = "vendor"


class Balance(NamedTuple):
    """One guarantor's row of table `patient`; a tuple, so that comparing and writing a whole office is fast."""

    pat_num: int
    clinic_num: int
    est_balance: int
    bal_0_30: int
    bal_31_60: int
    bal_61_90: int
    bal_over_90: int
    ins_est: int
    bal_total: int


get_pat_num = attrgetter("pat_num")


def index_balances(balances: Collection[Balance]) -> dict[int, Balance]:
    """The balances by pat_num; of a guarantor who occurs twice, the last one."""
    return dict(zip(map(get_pat_num, balances), balances, strict=True))


class ControlTotals(NamedTuple):
    """What a set of balances must add up to: a count, seven sums in cents, and a checksum.

    The sums show a lost or doubled row; the checksum (the sum of the CRC-32 of each row's text) shows two errors
    that cancel each other.
    """

    guarantors: int
    est_balance: int
    bal_0_30: int
    bal_31_60: int
    bal_61_90: int
    bal_over_90: int
    ins_est: int
    bal_total: int
    checksum: int


class AgingMark(NamedTuple):
    """The two preferences that move when aging does, as stored."""

    date_last_aging: str
    aging_begin: str


class DatabaseIdentity(NamedTuple):
    """Which database answered: the CRC-32 of each of a few preferences that say whose practice it is; 0: not set."""

    title: int
    phone: int
    address: int


class ControlQueryResult(NamedTuple):
    """The result of the control query: totals, aging and clocks, all of the same instant."""

    totals: ControlTotals
    date_last_aging: str
    aging_begin: str
    office_now: datetime
    """Naive, in the office server's zone."""
    utc_now: datetime
    """Naive, UTC by the office server's clock."""
    identity: DatabaseIdentity = DatabaseIdentity(0, 0, 0)
    touched: int = 0
    """Guarantors whose row was written since the last published snapshot, with or without a changed balance."""


@dataclass(frozen=True, slots=True)
class Cadence(Backoff):
    """Intervals, all in seconds. With the defaults, an idle office receives about fifty requests a day."""

    probe_seconds: float = 60.0
    """Between two probes while aging is due or running."""
    late_probe_seconds: float = 300.0
    """The same after the night's run has missed its start window."""
    idle_probe_seconds: float = 1800.0
    """While nothing is due: detects manual runs, and failures before the night."""
    blocked_probe_seconds: float = 1800.0
    """While a human must act."""
    start_window_seconds: float = 3600.0
    """The Open Dental Service starts aging within this time from the due time, or not at all that night."""
    stuck_after_seconds: float = 14_400.0
    """A run in progress for longer has crashed and left its lock."""


@dataclass(frozen=True, slots=True)
class Plausibility:
    """Thresholds beyond which a snapshot is held and read a second time."""

    max_change: float = 0.5
    """By which share of the last snapshot's totals the next one's may differ, for each day between the two."""
    guarantors_min: int = 20
    """Smaller offices rightly change more than that; of them only sudden emptiness is doubted."""
    hold_seconds: float = 1800.0
    """How long a doubted snapshot is held before the office is read a second time."""


@dataclass(frozen=True, slots=True)
class OfficeSpec:
    """What the configuration wants of one office: which guarantors, which reader, which intervals and thresholds."""

    id: str = field(metadata=setting(Effect.NONE))
    name: str = field(metadata=setting(Effect.DISPLAY_ONLY))
    zone: tzinfo | None = field(default=None, metadata=setting(name="timezone"))
    """None: the office's clock is measured instead."""
    clinics: tuple[int, ...] = ()
    """Empty: every clinic, ClinicNum 0 and hidden ones included."""
    include: Include = Include.ALL
    reader: Reader = Reader.AUTO
    fresh_by: time | None = time(7, 0)
    """Office-local; None: never late."""
    enabled: bool = True
    page_rows: int = field(default=100, metadata=setting(name="base_url"))
    """The API's cap on rows of one answer: 100 through headquarters, 1000 on the office's own network."""
    labels: tuple[tuple[str, str], ...] = field(default=(), metadata=setting(Effect.DISPLAY_ONLY))
    cadence: Cadence = field(default_factory=Cadence)
    plausibility: Plausibility = field(default_factory=Plausibility)

    @property
    def scope(self) -> str:
        """Which guarantors are selected, as text that can be compared."""
        return f"{self.include}:{','.join(map(str, sorted(self.clinics)))}"


@dataclass(frozen=True, slots=True)
class OfficeCredentials:
    """Where and how to reach one office."""

    office_id: str = field(metadata=setting(Effect.NONE))
    developer_key: Secret
    customer_key: Secret
    base_url: str
    min_interval_seconds: float
    """Between two requests; 0 on the office's own network."""
    remote: bool = field(metadata=setting(name="base_url"))
    """Through headquarters, so the throttle and the small pages apply."""


@dataclass(frozen=True, slots=True)
class UploadTarget:
    """The address and the credentials for an office's upload."""

    address: str
    """Host, folder and file, in the form of the API."""
    port: int
    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SnapshotSummary:
    """The facts of a snapshot that the next one is compared with. Sums are cents."""

    aging_date: date
    office_now: datetime
    """Naive, by the office's clock: the instant of the snapshot."""
    guarantors: int
    aged: int
    """Sum of the four buckets."""
    bal_total: int
    checksum: int


@dataclass(frozen=True, slots=True)
class Preferences:
    """The office's preferences about aging, as stored there. An empty string: not set."""

    date_last_aging: str
    aging_service_time_due: str
    aging_begin: str
    monthly: str
    program_version: str
    read_at: datetime
    practice_title: str = ""


class ChangeKind(StrEnum):
    """How a guarantor differs between two snapshots."""

    NEW = "new"
    CHANGED = "changed"
    CLEARED = "cleared"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All guarantor balances of one office for one aging run."""

    aging_date: date
    observed_at: datetime
    """The instant at which the office's own table held exactly these balances."""
    reader: Reader
    requests: int
    totals: ControlTotals
    balances: Collection[Balance] = field(repr=False)
    """Each guarantor once, in ascending order of pat_num."""


@dataclass(frozen=True, slots=True)
class PublishedSnapshot:
    """A published snapshot without its balances."""

    id: int
    """Increases with every publication of any office; never reused."""
    office_id: str
    aging_date: date
    observed_at: datetime
    published_at: datetime
    reader: Reader
    requests: int
    totals: ControlTotals
    new: int
    changed: int
    cleared: int
    """The number of guarantors that are new, changed and cleared since the office's previous snapshot."""
    pull_seconds: float = 0.0
    """From the pull's first request; 0: published by a version that did not store it."""
    late_at: datetime | None = None
    """Its deadline; None: it had none, or a version published it that did not store it."""
    verified: bool = True
    """Only verified snapshots are ever published."""

    @property
    def early_by(self) -> timedelta | None:
        """How long before its deadline it was published, negative if late; None: it had none."""
        return None if self.late_at is None else self.late_at - self.published_at


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far a pull in pages has come: all pages up to `last_pat_num` are stored."""

    started_at: datetime
    first: ControlQueryResult
    """The control taken before the first page."""
    last_pat_num: int
    requests: int
    scope: str = ""
    """Which guarantors are selected. Pages of another selection are discarded."""
    packings: tuple[tuple[int, int], tuple[int, int]] | None = None
    """Lane span and lanes: as the pull was asked to pack, and as its next statement is to be packed."""
    report: tuple[int, int, ControlTotals | None] | None = None
    """Of a report, how far it is read: list, offset, and the totals of its second reading so far."""


@dataclass(frozen=True, slots=True)
class Status:
    """The answer to "how is this office, since when, why, who must act, what happens next"."""

    condition: Condition
    since: datetime
    reason: str
    """One sentence, complete for a reader who sees nothing else."""
    owner: Owner | None = None
    """Who must act; None: no one, it continues by itself."""
    advice: str = ""
    """What to do, or what to ask of the owner."""
    next_action: str = ""
    """What happens next, in words: "asks whether aging has completed"."""
    next_action_at: datetime | None = None
    late_at: datetime | None = None
    """From here on, waiting for aging is called late."""
    letter: str = ""
    """A message that can be sent to the owner as it is; empty if the owner is us."""

    def evaluate_at(self, now: datetime) -> "Status":
        """The status as of `now`: the clock alone turns waiting into `late`."""
        waits = self.condition in (Condition.WAITING, Condition.AGING)
        if not waits or self.late_at is None or now < self.late_at:
            return self
        return replace(self, condition=Condition.LATE, since=max(self.since, self.late_at))
