"""Decides which events of an office become journal entries of their own and which are counted in a summary.

An idle office gets fifty requests a day, a failing one a hundred, and nearly all of them bring no news. Successful
requests and repeated failures are therefore merged into one summary entry until something new happens: the journal of a
quiet day has a dozen lines, however many requests there were.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from oddaemon.core.reporting.formatting import format_instant
from oddaemon.store.journal import JournalEntry
from oddaemon.telemetry.events import (
    CommandIgnored,
    CommandReceived,
    DeliveryAttemptFailed,
    FailureSeen,
    PageStored,
    RequestFinished,
    RequestStarted,
)
from oddaemon.telemetry.events.base import SECONDS_DIGITS, Event, Level

SUMMARY_EVENT = "requests_summarized"
"""The event of a summary entry."""
OK = "ok"
"""The outcome of a successful request."""
SUMMARY_SPAN_MAX = timedelta(hours=6)
"""A crash loses a summary that is not written yet: at most this much of an office to which nothing else happens."""
TEXT_CHARACTERS_MAX = 2000
"""Of one field: a traceback or a server's message may be longer, and its beginning says enough."""
Summarizable = RequestFinished | FailureSeen | DeliveryAttemptFailed
_NOT_JOURNALED = (RequestStarted, PageStored, CommandIgnored)


def get_office_id(event: Event) -> str | None:
    """The office whose journal an event belongs to. None: it belongs to no journal."""
    if isinstance(event, _NOT_JOURNALED):
        return None
    if isinstance(event, CommandReceived) and event.command == "forget" and not event.rejected:
        return None  # the journal is about to be erased, and this entry would be counted among the erased rows
    office = getattr(event, "office", None)
    return office if isinstance(office, str) and office else None


@dataclass(slots=True)
class RequestSummary:
    """Requests that brought no news."""

    since: datetime
    until: datetime
    answered: Counter[str] = field(default_factory=Counter)
    """Successful requests by kind."""
    failed: Counter[str] = field(default_factory=Counter)
    """Repeated failures by kind."""
    seconds: float = 0.0
    slowest_seconds: float = 0.0
    bytes: int = 0

    def add(self, event: Summarizable, at: datetime) -> None:
        """Count one more."""
        self.until = at
        match event:
            case DeliveryAttemptFailed():
                self.failed[event.name] += 1
            case FailureSeen(kind=kind) | RequestFinished(outcome=kind) if kind != OK:
                self.failed[kind] += 1
            case RequestFinished(kind=kind):
                self.answered[kind] += 1
        if isinstance(event, RequestFinished):
            self.seconds += event.seconds
            self.slowest_seconds = max(self.slowest_seconds, event.seconds)
            self.bytes += event.bytes

    def to_entry(self, office_id: str) -> JournalEntry:
        """The summary as one entry."""
        fields: dict[str, object] = {
            "since": format_instant(self.since),
            "requests": self.answered.total() + self.failed.total(),
            "by_kind": dict(self.answered),
            "failed": dict(self.failed),
            "seconds": round(self.seconds, SECONDS_DIGITS),
            "slowest_seconds": round(self.slowest_seconds, SECONDS_DIGITS),
            "bytes": self.bytes,
        }
        return JournalEntry(office_id, self.until, Level.INFO.name.lower(), SUMMARY_EVENT, fields)


class JournalBuffer:
    """The end of one office's journal, while it may still change.

    It holds a summary, or a failed request that its `FailureSeen` will explain next, or both, or nothing. Events that
    bring no news go into the summary; any other event completes what is held and becomes an entry of its own.
    """

    def __init__(self, office_id: str) -> None:
        self._office_id = office_id
        self._summary: RequestSummary | None = None
        self._unexplained: tuple[RequestFinished, datetime] | None = None
        """A failed request, until its failure is seen."""
        self._last_failure: tuple[str, str] | None = None
        """Kind and message of the last failure that became an entry."""

    def add(self, event: Event, at: datetime) -> list[JournalEntry]:
        """Take an event. Returns the entries that it completes."""
        match event:
            case RequestFinished():
                completed = self.flush() if self._unexplained is not None else []
                if event.outcome == OK:
                    return completed + self._summarize(event, at)
                self._unexplained = event, at
                return completed
            case FailureSeen():
                return self._add_failure(event, at)
            case DeliveryAttemptFailed() if event.attempt > 1:
                return self._summarize(event, at)
            case _:
                return [*self.flush(), self._make_entry(event, at)]

    def flush(self) -> list[JournalEntry]:
        """Complete what is held. Returns it as entries."""
        completed = self.peek()
        self._summary = self._unexplained = None
        return completed

    def peek(self) -> list[JournalEntry]:
        """What is held, as entries; it stays held."""
        held = [] if self._summary is None else [self._summary.to_entry(self._office_id)]
        if self._unexplained is not None:
            held.append(self._make_entry(*self._unexplained))
        return held

    def _add_failure(self, event: FailureSeen, at: datetime) -> list[JournalEntry]:
        request = None if self._unexplained is None else self._unexplained[0]
        self._unexplained = None
        # A failure of the database comes without a request, and its attempt is always 1.
        may_repeat = event.attempt > 1 or request is None
        if may_repeat and self._last_failure == (event.kind, event.message):
            return self._summarize(request or event, at)
        self._last_failure = event.kind, event.message
        extra: dict[str, object] = {} if request is None else {"request": _get_fields(request)}
        return [*self.flush(), self._make_entry(event, at, extra)]

    def _summarize(self, event: Summarizable, at: datetime) -> list[JournalEntry]:
        is_full = self._summary is not None and at - self._summary.since > SUMMARY_SPAN_MAX
        completed = self.flush() if is_full else []
        if self._summary is None:
            self._summary = RequestSummary(at, at)
        self._summary.add(event, at)
        return completed

    def _make_entry(self, event: Event, at: datetime, extra: dict[str, object] | None = None) -> JournalEntry:
        level = event.journal_level().name.lower()
        return JournalEntry(self._office_id, at, level, event.name, {**_get_fields(event), **(extra or {})})


def _get_fields(event: Event) -> dict[str, object]:
    return {name: _truncate(value) for name, value in event.log_fields().items() if name != "office"}


def _truncate(value: object) -> object:
    if isinstance(value, str) and len(value) > TEXT_CHARACTERS_MAX:
        return f"{value[:TEXT_CHARACTERS_MAX]}…"
    return value
