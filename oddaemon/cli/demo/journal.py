"""The daemon's log as it grows: one JSON event a line."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

Event = Mapping[str, Any]


class Journal:
    """Reads a log from its beginning; each call of `news` goes on where the last one ended."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_bytes = 0

    def news(self) -> Iterator[Event]:
        """The events written since; a line that is not complete yet comes next time."""
        with self._path.open("rb") as file:
            file.seek(self._read_bytes)
            grown = file.read()
        whole = grown[: grown.rfind(b"\n") + 1]
        self._read_bytes += len(whole)
        for line in whole.splitlines():
            if line.startswith(b"{"):
                yield json.loads(line)
