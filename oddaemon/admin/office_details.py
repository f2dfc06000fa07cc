"""Everything about one office as a JSON document, for `explain --json` and the control socket.

It extends the status document and is a contract like it: fields may be added, never renamed or removed.
"""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from enum import StrEnum
from typing import TypedDict

from oddaemon.core.model import OfficeSpec, Preferences, PublishedSnapshot
from oddaemon.core.office.state import OfficeState
from oddaemon.core.reporting.formatting import format_instant
from oddaemon.core.reporting.status_document import OfficeDocument, OfficeStatus, make_office_document
from oddaemon.store.journal import JournalEntry


class DataSource(StrEnum):
    """Where a document comes from."""

    DAEMON = "daemon"
    DATABASE = "database"
    """As the daemon last wrote it."""


class PreferencesDocument(TypedDict):
    """The office's aging preferences, as stored there."""

    date_last_aging: str
    aging_service_time_due: str
    aging_begin: str
    monthly: str
    program_version: str
    practice_title: str
    read_at: str


class PackingDocument(TypedDict):
    """The packing of its statement."""

    pat_nums_per_column: int
    columns: int


class PullDocument(TypedDict):
    """The pull of the last published snapshot."""

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
    """The last entries, oldest first."""
    error_text: str
    """Of the present failure, as it was received. Only from the daemon: it is not stored."""
    source: str


def build_office_details(
    status: OfficeStatus,
    now: datetime,
    source: DataSource,
    *,
    spec: OfficeSpec,
    state: OfficeState | None,
    snapshot: PublishedSnapshot | None,
    journal: Iterable[JournalEntry] = (),
    error_text: str = "",
) -> OfficeDetails:
    """The document of one office.

    Args:
        status: its summary.
        now: aware.
        source: where all of it comes from.
        spec: as configured.
        state: None: none is stored yet.
        snapshot: the latest one, if any.
        journal: the last entries, oldest first.
        error_text: of the present failure, as it was received.
    """
    return {
        **make_office_document(status, now),
        "preferences": None if state is None or state.preferences is None else _build_preferences(state.preferences),
        "reader": None if state is None else state.reader.value,
        "packing": None
        if state is None
        else {"pat_nums_per_column": state.packing.lane_span, "columns": state.packing.lanes},
        "clock_skew_seconds": None if state is None else state.skew_seconds,
        "timezone": None if spec.zone is None else str(spec.zone),
        "failures_in_a_row": 0 if state is None else state.attempts,
        "rereads_in_a_row": 0 if state is None else state.rereads,
        "run_seconds": None if state is None else state.run_seconds,
        "last_pull": None if snapshot is None else _build_pull(snapshot),
        "journal": [build_entry_document(entry) for entry in journal],
        "error_text": error_text,
        "source": source.value,
    }


def build_entry_document(entry: JournalEntry) -> EntryDocument:
    """One entry of the journal, without the office: the enclosing document names it."""
    return {"at": format_instant(entry.at), "level": entry.level, "event": entry.event, "fields": dict(entry.fields)}


def _build_preferences(preferences: Preferences) -> PreferencesDocument:
    document: PreferencesDocument = {**asdict(preferences), "read_at": format_instant(preferences.read_at)}  # type: ignore[typeddict-item]  # a test checks that the names are the dataclass's own
    return document


def _build_pull(snapshot: PublishedSnapshot) -> PullDocument:
    return {
        "observed_at": format_instant(snapshot.observed_at),
        "reader": snapshot.reader.value,
        "requests": snapshot.requests,
        "seconds": snapshot.pull_seconds,
        "new": snapshot.new,
        "changed": snapshot.changed,
        "cleared": snapshot.cleared,
    }
