"""What of all that happens to an office is worth an entry in its journal.

An idle office is asked fifty times a day, one in trouble a hundred times, and nearly always nothing is new. So requests
that were answered, and failures that were told before, are folded into one entry until there is news: the journal of a
quiet day is a dozen lines, however often was asked.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from oddaemon.core.status import instant
from oddaemon.store.journal import Entry
from oddaemon.telemetry.event import SECONDS_DIGITS, Event, Level
from oddaemon.telemetry.events import (
    DeliveryRefused,
    FailureSeen,
    NeedlessOrderGiven,
    PageStored,
    RequestFinished,
    RequestStarted,
)

ASKED = "asked"
"""The event of a folded entry."""
OK = "ok"
"""The outcome of a request that was answered."""
FOLD_AT_MOST = timedelta(hours=6)
"""A kill loses what is folded and not written yet: never more than this of an office to which nothing happens."""
TEXT_CHARACTERS_MAX = 2000
"""Of one field: a traceback or another side's message may be longer, and its beginning tells enough."""
Foldable = RequestFinished | FailureSeen | DeliveryRefused
_NO_NEWS = (RequestStarted, PageStored, NeedlessOrderGiven)


def office_of(event: Event) -> str | None:
    """The office whose journal an event belongs into; None: no office's."""
    if isinstance(event, _NO_NEWS):
        return None
    office = getattr(event, "office", None)
    return office if isinstance(office, str) and office else None


@dataclass(slots=True)
class Fold:
    """Requests that brought no news."""

    since: datetime
    until: datetime
    answered: Counter[str] = field(default_factory=Counter)
    """By what was asked."""
    failed: Counter[str] = field(default_factory=Counter)
    """Failures that were told before, by their kind."""
    seconds: float = 0.0
    slowest_seconds: float = 0.0
    bytes: int = 0

    def add(self, event: Foldable, at: datetime) -> None:
        """One more."""
        self.until = at
        match event:
            case DeliveryRefused():
                self.failed[event.name] += 1
            case FailureSeen(kind=kind) | RequestFinished(outcome=kind) if kind != OK:
                self.failed[kind] += 1
            case RequestFinished(kind=kind):
                self.answered[kind] += 1
        if isinstance(event, RequestFinished):
            self.seconds += event.seconds
            self.slowest_seconds = max(self.slowest_seconds, event.seconds)
            self.bytes += event.bytes

    def entry(self, office_id: str) -> Entry:
        """All of it in one."""
        fields: dict[str, object] = {
            "since": instant(self.since),
            "times": self.answered.total() + self.failed.total(),
            "kinds": dict(self.answered),
            "failed": dict(self.failed),
            "seconds": round(self.seconds, SECONDS_DIGITS),
            "slowest_seconds": round(self.slowest_seconds, SECONDS_DIGITS),
            "bytes": self.bytes,
        }
        return Entry(office_id, self.until, Level.INFO.name.lower(), ASKED, fields)


class Draft:
    """The end of one office's journal, as long as it may still be folded."""

    def __init__(self, office_id: str) -> None:
        self._office_id = office_id
        self._fold: Fold | None = None
        self._unexplained: tuple[RequestFinished, datetime] | None = None
        """A request that failed: why is said next."""
        self._told: tuple[str, str] | None = None
        """Kind and message of the failure that was told last."""

    def take(self, event: Event, at: datetime) -> Iterator[Entry]:
        """The entries that are complete with this event; read them all."""
        match event:
            case RequestFinished(outcome=outcome) if outcome == OK:
                yield from self._close_exchange()
                yield from self._folded(event, at)
            case RequestFinished():
                yield from self._close_exchange()
                self._unexplained = event, at
            case FailureSeen():
                yield from self._failure(event, at)
            case DeliveryRefused(attempt=attempt) if attempt > 1:
                yield from self._folded(event, at)
            case _:
                yield from self.close()
                yield self._entry(event, at)

    def close(self) -> Iterator[Entry]:
        """What is folded so far, as complete entries; nothing stays."""
        yield from self.open()
        self._fold = self._unexplained = None

    def open(self) -> Iterator[Entry]:
        """The same for who only looks."""
        if self._fold is not None:
            yield self._fold.entry(self._office_id)
        if self._unexplained is not None:
            yield self._entry(*self._unexplained)

    def _failure(self, event: FailureSeen, at: datetime) -> Iterator[Entry]:
        exchange = None if self._unexplained is None else self._unexplained[0]
        self._unexplained = None
        # What befalls the database comes without a request, and never with a number.
        repeats = event.attempt > 1 or exchange is None
        if repeats and self._told == (event.kind, event.message):
            yield from self._folded(exchange or event, at)
            return
        self._told = event.kind, event.message
        yield from self.close()
        met: dict[str, object] = {} if exchange is None else {"exchange": _fields(exchange)}
        yield self._entry(event, at, met)

    def _folded(self, event: Foldable, at: datetime) -> Iterator[Entry]:
        if self._fold is not None and at - self._fold.since > FOLD_AT_MOST:
            yield from self.close()
        if self._fold is None:
            self._fold = Fold(at, at)
        self._fold.add(event, at)

    def _close_exchange(self) -> Iterator[Entry]:
        if self._unexplained is not None:
            yield from self.close()

    def _entry(self, event: Event, at: datetime, more: dict[str, object] | None = None) -> Entry:
        level = event.log_level().name.lower()
        return Entry(self._office_id, at, level, event.name, {**_fields(event), **(more or {})})


def _fields(event: Event) -> dict[str, object]:
    return {name: _short(value) for name, value in event.log_fields().items() if name != "office"}


def _short(value: object) -> object:
    if isinstance(value, str) and len(value) > TEXT_CHARACTERS_MAX:
        return f"{value[:TEXT_CHARACTERS_MAX]}…"
    return value
