"""All that is known of one office as a JSON document: what `explain --json` writes and the control socket answers.

A contract like the status document, which it extends: fields may be added, never renamed or removed.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import TypedDict

from oddaemon.core.model import Office, Preferences
from oddaemon.core.office.state import OfficeState
from oddaemon.core.reporting.status_document import OfficeDocument, OfficeSummary, format_instant, make_office_document
from oddaemon.store.journal import JournalEntry
from oddaemon.store.snapshot_rows import SnapshotRow


class PreferencesDocument(TypedDict):
    """What the office said of its aging, as stored there."""

    date_last_aging: str
    aging_service_time_due: str
    aging_begin: str
    monthly: str
    program_version: str
    practice_title: str
    read_at: str


class PackingDocument(TypedDict):
    """How its statement is packed."""

    pat_nums_per_column: int
    columns: int


class PullDocument(TypedDict):
    """How the last published snapshot came to be."""

    observed_at: str
    reader: str
    requests: int
    seconds: float
    new: int
    changed: int
    cleared: int


class EntryDocument(TypedDict):
    """One entry of the journal."""

    at: str
    level: str
    event: str
    fields: dict[str, object]


class OfficeDetails(OfficeDocument):
    """The whole document."""

    preferences: PreferencesDocument | None
    reader: str | None
    packing: PackingDocument | None
    clock_skew_seconds: float | None
    timezone: str | None
    failures_in_a_row: int
    rereads_in_a_row: int
    run_seconds: float | None
    last_pull: PullDocument | None
    journal: list[EntryDocument]
    """Its end, oldest first."""


@dataclass(frozen=True, slots=True)
class OfficeContext:
    """What stands behind an office's status."""

    office: Office | None = None
    """As configured; None: it is not any more."""
    state: OfficeState | None = None
    """None: nothing is remembered yet."""
    snapshot: SnapshotRow | None = None
    journal: Iterable[JournalEntry] = field(default=(), repr=False)


def build_office_details(status: OfficeSummary, context: OfficeContext, now: datetime) -> OfficeDetails:
    """The document of one office as of `now` (aware)."""
    state, office = context.state, context.office
    return {
        **make_office_document(status, now),
        "preferences": None if state is None or state.preferences is None else _build_preferences(state.preferences),
        "reader": None if state is None else state.reader.value,
        "packing": None
        if state is None
        else {"pat_nums_per_column": state.packing.lane_span, "columns": state.packing.lanes},
        "clock_skew_seconds": None if state is None else state.skew_seconds,
        "timezone": None if office is None or office.zone is None else str(office.zone),
        "failures_in_a_row": 0 if state is None else state.attempts,
        "rereads_in_a_row": 0 if state is None else state.rereads,
        "run_seconds": None if state is None else state.run_seconds,
        "last_pull": None if context.snapshot is None else _build_pull(context.snapshot),
        "journal": [build_entry_document(entry) for entry in context.journal],
    }


def build_entry_document(entry: JournalEntry) -> EntryDocument:
    """One entry of the journal; whose it is says the document around it."""
    return {"at": format_instant(entry.at), "level": entry.level, "event": entry.event, "fields": dict(entry.fields)}


def _build_preferences(preferences: Preferences) -> PreferencesDocument:
    document: PreferencesDocument = {**asdict(preferences), "read_at": format_instant(preferences.read_at)}  # type: ignore[typeddict-item]  # its names are the dataclass's own, which a test holds
    return document


def _build_pull(snapshot: SnapshotRow) -> PullDocument:
    return {
        "observed_at": format_instant(snapshot.observed_at),
        "reader": snapshot.reader.value,
        "requests": snapshot.requests,
        "seconds": snapshot.pull_seconds,
        "new": snapshot.new,
        "changed": snapshot.changed,
        "cleared": snapshot.cleared,
    }
