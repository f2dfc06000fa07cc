"""The daemon's log as it grows: one JSON event a line.

What the daemon's log has told so far, over both of its lives.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Event = Mapping[str, Any]


class LogTail:
    """Reads a log from its beginning; each call of `news` goes on where the last one ended."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def read_new_events(self) -> Iterator[Event]:
        """The events written since; a line that is not complete yet comes next time."""
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
        interrupted_office: the office in whose pull the daemon is to be killed.
        listen: where the present daemon answers over HTTP; empty until it is ready.
        aging_dates: the aging dates of the victim, as the daemon saw them.
        rows_stored: rows of the victim's present pull that are stored.
        rows_expected: how many there will be.
        resumed_rows: with how many of them its present pull began.
        crashes: workers that a programmer's error has ended.
    """

    interrupted_office: str
    listen: str = ""
    aging_dates: set[str] = field(default_factory=set)
    rows_stored: int = 0
    rows_expected: int = 0
    resumed_rows: int = 0
    crashes: int = 0

    def add(self, event: Event) -> None:
        """Take in one event more."""
        match event:
            case {"event": "daemon_ready", "listen": str(listen)}:
                self.listen = listen
            case {"event": "aging_status_changed", "office": self.interrupted_office, "aging_date": str(aging_date)}:
                if aging_date not in self.aging_dates:
                    # What is read of the day before is thrown away: it is not half of tonight's pull.
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
        """The victim's pull of tonight, not the first one of the day before, is about half-way."""
        return len(self.aging_dates) > 1 and self.rows_expected // 2 <= self.rows_stored < self.rows_expected
