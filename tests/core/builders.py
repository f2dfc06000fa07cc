"""Small makers of the core's values, with an ordinary office at an ordinary hour as their defaults."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from oddaemon.core.failures.failure import Failure, FailureKind
from oddaemon.core.model import (
    AgingMark,
    Balance,
    Cadence,
    Condition,
    ControlQueryResult,
    ControlTotals,
    DatabaseIdentity,
    OfficeSpec,
    Preferences,
    PublishedSnapshot,
    Reader,
    Snapshot,
)
from oddaemon.core.office.machine import make_initial_state, next_action
from oddaemon.core.office.state import (
    Action,
    ClockMeasured,
    Failed,
    MeasureClock,
    Observation,
    OfficeState,
    Probe,
    Probed,
    Publish,
    PublishSucceeded,
    Pull,
    Pulled,
    Started,
    Survey,
    Surveyed,
    TimerFired,
    Wait,
)
from oddaemon.core.snapshot.packing import FIRST_PACKING, Packing
from oddaemon.core.snapshot.verify import compute_totals

CHICAGO = ZoneInfo("America/Chicago")
SPEC = OfficeSpec("mesa", "Mesa Dental", zone=CHICAGO)
JITTER = 0.5
DUE = "2020-01-01 02:00:00"
IDENTITY = DatabaseIdentity(11, 22, 33)
OTHER_IDENTITY = DatabaseIdentity(11, 77, 88)


def make_instant(text: str, zone: str = "America/Chicago", *, fold: int = 0) -> datetime:
    """The instant (UTC) at which a correct clock in `zone` says `text`."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


def make_preferences(
    last: str = "2026-05-04",
    *,
    due: str = DUE,
    begin: str = "",
    monthly: str = "0",
    version: str = "25.4.48.0",
    read_at: datetime | None = None,
) -> Preferences:
    return Preferences(last, due, begin, monthly, version, read_at or make_instant("2026-05-05 00:00"))


def make_failed(kind: FailureKind, message: str = "", retry_after_seconds: float | None = None) -> Failed:
    return Failed(Failure(kind, message, None, retry_after_seconds))


def make_spec(cadence: Cadence | None = None, **changes: object) -> OfficeSpec:
    return replace(SPEC, cadence=cadence or Cadence(), **changes)  # type: ignore[arg-type]  # fields by name


def make_balance(pat_num: int, bal_total: int = 12_345) -> Balance:
    return Balance(pat_num, 0, bal_total, bal_total, 0, 0, 0, 0, bal_total)


def make_snapshot(aging_date: date, balances: Iterable[Balance] = (make_balance(1), make_balance(2))) -> Snapshot:
    rows = tuple(balances)
    return Snapshot(aging_date, datetime(2026, 1, 1, tzinfo=UTC), Reader.STATEMENT, 1, compute_totals(rows), rows)


def make_control(
    read: Snapshot, now: datetime, identity: DatabaseIdentity = IDENTITY, touched: int = 0
) -> ControlQueryResult:
    local, utc = (now.astimezone(zone).replace(tzinfo=None) for zone in (CHICAGO, UTC))
    return ControlQueryResult(read.totals, read.aging_date.isoformat(), "", local, utc, identity, touched)


def make_pulled(
    read: Snapshot,
    packing: Packing | None = None,
    skew_seconds: float = 0.0,
    *,
    now: datetime = datetime(2026, 5, 5, tzinfo=UTC),
    identity: DatabaseIdentity = IDENTITY,
    touched: int = 0,
) -> Pulled:
    control = make_control(read, now, identity, touched)
    return Pulled(read.aging_date, read.requests, control, packing, skew_seconds)


class OfficeRun:
    """One office under test: the present instant, its state, and the action it asks for."""

    def __init__(self, state: OfficeState, now: datetime, wanted: OfficeSpec = SPEC) -> None:
        self.state = state
        self.now = now
        self.spec = wanted
        self.action: Action = Wait(now)

    def observe(self, observation: Observation, jitter: float = JITTER) -> Action:
        """Bring an observation; a snapshot is stored at once."""
        self.state, self.action = next_action(self.state, observation, self.now, self.spec, jitter)
        if isinstance(self.action, Publish):
            return self.observe(PublishSucceeded())
        return self.action

    def sleep_and_wake(self) -> Action:
        """Sleep until it is time, and wake."""
        assert isinstance(self.action, Wait), self.action
        self.now = self.action.until
        return self.wake()

    def wake(self) -> Action:
        """Wake at the present instant."""
        return self.observe(TimerFired())

    def answer_survey(self, found: Preferences | None = None) -> Action:
        assert isinstance(self.action, Survey), self.action
        return self.observe(Surveyed(replace(found or make_preferences(), read_at=self.now)))

    def answer_probe(self, last: str, begin: str = "") -> Action:
        assert isinstance(self.action, Probe), self.action
        return self.observe(Probed(AgingMark(last, begin)))

    def answer_preferences(self, last: str, begin: str = "") -> Action:
        """The office answers whichever it is asked: all preferences or the two that move."""
        if isinstance(self.action, Survey):
            return self.answer_survey(make_preferences(last, begin=begin))
        return self.answer_probe(last, begin)

    def get_condition(self) -> Condition:
        """How the office stands at this instant."""
        return self.state.standing.evaluate_at(self.now).condition

    def answer_pull(
        self,
        packing: Packing | None = FIRST_PACKING,
        skew_seconds: float = 0.0,
        *,
        balances: Iterable[Balance] = (make_balance(1), make_balance(2)),
        identity: DatabaseIdentity = IDENTITY,
        touched: int = 0,
    ) -> Action:
        assert isinstance(self.action, Pull), self.action
        read = make_snapshot(self.action.aging_date, balances)
        return self.observe(make_pulled(read, packing, skew_seconds, now=self.now, identity=identity, touched=touched))

    def answer_clock(self, skew_seconds: float = 0.0, identity: DatabaseIdentity = IDENTITY) -> Action:
        assert isinstance(self.action, MeasureClock), self.action
        return self.observe(ClockMeasured(skew_seconds, identity))

    def fail(self, kind: FailureKind, message: str = "", *, wait: bool = False) -> Action:
        action = self.observe(make_failed(kind, message))
        return self.sleep_and_wake() if wait and isinstance(action, Wait) else action

    def advance(self, **duration: float) -> None:
        self.now += timedelta(**duration)

    def get_wait_seconds(self) -> float:
        assert isinstance(self.action, Wait)
        return (self.action.until - self.now).total_seconds()


EVENING = make_instant("2026-05-04 20:00")


def start_office(wanted: OfficeSpec = SPEC, now: datetime = EVENING) -> OfficeRun:
    """An office of which nothing is known yet, about to be surveyed."""
    night = OfficeRun(make_initial_state(now), now, wanted)
    night.observe(Started())
    return night


def start_pull(wanted: OfficeSpec = SPEC) -> OfficeRun:
    """An office about to be read for the first time."""
    night = start_office(wanted)
    night.answer_survey()
    assert isinstance(night.action, Pull)
    return night


def make_fresh(wanted: OfficeSpec = SPEC, last: str = "2026-05-04") -> OfficeRun:
    """An office whose last run is published."""
    night = start_office(wanted)
    night.answer_survey(make_preferences(last))
    night.answer_pull()
    assert night.get_condition() is Condition.FRESH
    return night


def sleep_until(night: OfficeRun, instant: datetime, last: str, begin: str = "") -> list[datetime]:
    """Answer with unchanged preferences until a wait ends after `instant`; return the times of the requests."""
    asked_at: list[datetime] = []
    while True:
        assert isinstance(night.action, Wait)
        if night.action.until > instant:
            return asked_at
        night.sleep_and_wake()
        asked_at.append(night.now)
        answer_until_wait(night, last, begin)


def answer_until_wait(night: OfficeRun, last: str, begin: str = "") -> None:
    """Answer the question asked now, and those that follow from it before anyone is blamed."""
    night.answer_preferences(last, begin)
    if isinstance(night.action, Survey):
        night.answer_preferences(last, begin)
    if isinstance(night.action, MeasureClock):
        night.answer_clock()


def make_published_snapshot(
    aging_date: date, published_at: datetime, guarantors: int, bal_total: int = 0, *, number: int = 7
) -> PublishedSnapshot:
    totals = ControlTotals(guarantors, bal_total, bal_total, 0, 0, 0, 0, bal_total, 0)
    return PublishedSnapshot(
        number, "elm", aging_date, published_at, published_at, Reader.STATEMENT, 1, totals, new=0, changed=0, cleared=0
    )
