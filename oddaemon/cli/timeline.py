"""An office's journal for people: each entry a line, on the clock of whoever reads it."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from oddaemon.cli.words import duration_of
from oddaemon.engine.details import EntryDocument
from oddaemon.engine.retelling import Wording, sentence

STYLES = {"warning": "yellow", "error": "red", "debug": "dim"}
QUIET = frozenset({"asked", "office_started", "office_stopped"})
"""What is no news is dimmed."""


def clock(at: datetime) -> str:
    """The time of day on the reader's clock."""
    return f"{at.astimezone():%H:%M:%S}"


WORDING = Wording(clock, duration_of)


def timeline(journal: Sequence[EntryDocument]) -> Iterator[tuple[str, str, str]]:
    """Time, sentence and style of each entry."""
    for entry in journal:
        at = datetime.fromisoformat(entry["at"]).astimezone()
        style = "dim" if entry["event"] in QUIET else STYLES.get(entry["level"], "")
        yield f"{at:%Y-%m-%d %H:%M:%S}", sentence(entry["event"], entry["fields"], WORDING), style
