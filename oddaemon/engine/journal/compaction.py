"""What of all that happens to an office is worth an entry in its journal.

An idle office is asked fifty times a day, one in trouble a hundred times, and nearly always nothing is new. So requests
that were answered, and failures that were told before, are folded into one entry until there is news: the journal of a
quiet day is a dozen lines, however often was asked.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from oddaemon.core.reporting.status_document import format_instant
from oddaemon.store.journal import JournalEntry
from oddaemon.telemetry.events import (
    CommandIgnored,
    DeliveryAttemptFailed,
    FailureSeen,
    PageStored,
    RequestFinished,
    RequestStarted,
)
from oddaemon.telemetry.events.base import SECONDS_DIGITS, Event, Level

SUMMARY_EVENT = "requests_summarized"
"""The event of a folded entry."""
OK = "ok"
"""The outcome of a request that was answered."""
SUMMARY_SPAN_MAX = timedelta(hours=6)
"""A kill loses what is folded and not written yet: never more than this of an office to which nothing happens."""
TEXT_CHARACTERS_MAX = 2000
"""Of one field: a traceback or another side's message may be longer, and its beginning tells enough."""
Summarizable = RequestFinished | FailureSeen | DeliveryAttemptFailed
_NOT_JOURNALED = (RequestStarted, PageStored, CommandIgnored)


def get_office_id(event: Event) -> str | None:
    """The office whose journal an event belongs into; None: no office's."""
    if isinstance(event, _NOT_JOURNALED):
        return None
    office = getattr(event, "office", None)
    return office if isinstance(office, str) and office else None


@dataclass(slots=True)
class RequestSummary:
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

    def add(self, event: Summarizable, at: datetime) -> None:
        """One more."""
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
        """All of it in one."""
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
    """The end of one office's journal, as long as it may still be folded."""

    def __init__(self, office_id: str) -> None:
        self._office_id = office_id
        self._summary: RequestSummary | None = None
        self._failed_request: tuple[RequestFinished, datetime] | None = None
        """A request that failed: why is said next."""
        self._last_failure: tuple[str, str] | None = None
        """Kind and message of the failure that was told last."""

    def add(self, event: Event, at: datetime) -> Iterator[JournalEntry]:
        """The entries that are complete with this event; read them all."""
        match event:
            case RequestFinished(outcome=outcome) if outcome == OK:
                yield from self._flush_failed_request()
                yield from self._summarize(event, at)
            case RequestFinished():
                yield from self._flush_failed_request()
                self._failed_request = event, at
            case FailureSeen():
                yield from self._add_failure(event, at)
            case DeliveryAttemptFailed(attempt=attempt) if attempt > 1:
                yield from self._summarize(event, at)
            case _:
                yield from self.flush()
                yield self._make_entry(event, at)

    def flush(self) -> Iterator[JournalEntry]:
        """What is folded so far, as complete entries; nothing stays."""
        yield from self.peek()
        self._summary = self._failed_request = None

    def peek(self) -> Iterator[JournalEntry]:
        """The same for who only looks."""
        if self._summary is not None:
            yield self._summary.to_entry(self._office_id)
        if self._failed_request is not None:
            yield self._make_entry(*self._failed_request)

    def _add_failure(self, event: FailureSeen, at: datetime) -> Iterator[JournalEntry]:
        request = None if self._failed_request is None else self._failed_request[0]
        self._failed_request = None
        # What befalls the database comes without a request, and never with a number.
        repeats = event.attempt > 1 or request is None
        if repeats and self._last_failure == (event.kind, event.message):
            yield from self._summarize(request or event, at)
            return
        self._last_failure = event.kind, event.message
        yield from self.flush()
        extra: dict[str, object] = {} if request is None else {"request": _get_fields(request)}
        yield self._make_entry(event, at, extra)

    def _summarize(self, event: Summarizable, at: datetime) -> Iterator[JournalEntry]:
        if self._summary is not None and at - self._summary.since > SUMMARY_SPAN_MAX:
            yield from self.flush()
        if self._summary is None:
            self._summary = RequestSummary(at, at)
        self._summary.add(event, at)

    def _flush_failed_request(self) -> Iterator[JournalEntry]:
        if self._failed_request is not None:
            yield from self.flush()

    def _make_entry(self, event: Event, at: datetime, extra: dict[str, object] | None = None) -> JournalEntry:
        level = event.log_level().name.lower()
        return JournalEntry(self._office_id, at, level, event.name, {**_get_fields(event), **(extra or {})})


def _get_fields(event: Event) -> dict[str, object]:
    return {name: _truncate(value) for name, value in event.log_fields().items() if name != "office"}


def _truncate(value: object) -> object:
    if isinstance(value, str) and len(value) > TEXT_CHARACTERS_MAX:
        return f"{value[:TEXT_CHARACTERS_MAX]}…"
    return value
