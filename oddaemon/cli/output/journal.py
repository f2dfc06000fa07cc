"""An office's journal for people: a line an entry, in local time."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from oddaemon.admin.office_details import EntryDocument
from oddaemon.core.reporting.formatting import format_seconds
from oddaemon.engine.journal.format import Formatters, render_entry

LEVEL_STYLES = {"warning": "yellow", "error": "red", "debug": "dim"}
DIMMED_EVENTS = frozenset({"requests_summarized", "office_started", "office_stopped"})
"""Routine events."""


def format_time(at: datetime) -> str:
    """The local time of day."""
    return f"{at.astimezone():%H:%M:%S}"


FORMATTERS = Formatters(format_time, format_seconds)


def format_journal(journal: Sequence[EntryDocument]) -> Iterator[tuple[str, str, str]]:
    """Time, sentence and style of each entry."""
    for entry in journal:
        at = datetime.fromisoformat(entry["at"]).astimezone()
        style = "dim" if entry["event"] in DIMMED_EVENTS else LEVEL_STYLES.get(entry["level"], "")
        yield f"{at:%Y-%m-%d %H:%M:%S}", render_entry(entry["event"], entry["fields"], FORMATTERS), style
