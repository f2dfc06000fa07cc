"""The daemon's log as it grows: one JSON event a line, and a summary of both runs."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Event = Mapping[str, Any]


class LogTail:
    """Reads a log from its beginning; each read continues where the last one ended."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def read_new_events(self) -> Iterator[Event]:
        """The events since the last read; an incomplete line is left for the next one."""
        with self._path.open("rb") as file:
            file.seek(self._offset)
            grown = file.read()
        whole = grown[: grown.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.splitlines():
            if line.startswith(b"{"):
                yield json.loads(line)


@dataclass(slots=True)
class LogSummary:
    """A summary of all events taken in.

    Attributes:
        interrupted_office: The office during whose pull the daemon is killed.
        listen: The HTTP address of the running daemon; empty until it is ready.
        aging_dates: The aging dates of that office, as the daemon saw them.
        rows_stored: Stored rows of its current pull.
        rows_expected: All rows of that pull.
        resumed_rows: Rows that were stored when that pull started or resumed.
        crashes: Workers that crashed.
    """

    interrupted_office: str
    listen: str = ""
    aging_dates: set[str] = field(default_factory=set)
    rows_stored: int = 0
    rows_expected: int = 0
    resumed_rows: int = 0
    crashes: int = 0

    def add(self, event: Event) -> None:
        """Take in an event."""
        match event:
            case {"event": "daemon_ready", "listen": str(listen)}:
                self.listen = listen
            case {"event": "aging_status_changed", "office": self.interrupted_office, "aging_date": str(aging_date)}:
                if aging_date not in self.aging_dates:
                    # Rows of the previous day are discarded: they are not part of tonight's pull.
                    self.aging_dates.add(aging_date)
                    self.rows_stored = self.rows_expected = 0
            case {
                "event": "page_stored",
                "office": self.interrupted_office,
                "rows": int(rows),
                "rows_total": int(total),
            }:
                self.rows_stored, self.rows_expected = rows, total
            case {"event": "pull_started", "office": self.interrupted_office, "resumed_rows": int(rows)}:
                self.rows_stored = self.resumed_rows = rows
                self.rows_expected = 0
            case {"event": "worker_crashed"}:
                self.crashes += 1
            case _:
                pass

    @property
    def is_half_pulled(self) -> bool:
        """Whether tonight's pull of that office, not the one of the previous day, is about half done."""
        return len(self.aging_dates) > 1 and self.rows_expected // 2 <= self.rows_stored < self.rows_expected
