"""Searches the database's files, byte by byte, for data of one office.

Never use it in a process that has the database open: closing a descriptor of the file releases the locks that SQLite
holds on it. A running daemon therefore only erases; the command that requested it scans before and after.
"""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from oddaemon.core.model import MONEY_COLUMNS
from oddaemon.store.errors import OfficeUnknown
from oddaemon.store.sqlite.copy import open_read_only
from oddaemon.store.sqlite.errors import translate_errors
from oddaemon.store.sqlite.version import require_newest

SUFFIXES = ("", "-wal", "-journal")
SAMPLE_ROWS = 200
"""The number of balances to search for, the latest ones of each table."""
PATTERN_BYTES_MIN = 12
"""Shorter patterns may be in the file by chance."""
CHUNK_BYTES = 8 * 1024 * 1024

_AMOUNTS = ", ".join(("clinic_num", *MONEY_COLUMNS))
_LATEST = f"SELECT {_AMOUNTS} FROM balance WHERE office = ?1 ORDER BY valid_from DESC LIMIT {SAMPLE_ROWS}"  # noqa: S608 - our own names
_PAST = (
    f"SELECT {_AMOUNTS} FROM historical_balance WHERE snapshot IN"  # noqa: S608 - the same
    f" (SELECT id FROM historical_snapshot WHERE office = ?1) LIMIT {SAMPLE_ROWS}"
)
_OTHERS = (
    f"SELECT {_AMOUNTS} FROM balance WHERE office <> ?1 AND bal_total IN (SELECT value FROM json_each(?2))"  # noqa: S608 - the same
    f" UNION ALL SELECT {_AMOUNTS} FROM historical_balance WHERE bal_total IN (SELECT value FROM json_each(?2))"
    " AND snapshot IN (SELECT id FROM historical_snapshot WHERE office <> ?1)"
)
"""Rows of other offices that may contain a pattern: each pattern ends with the sum."""
_TEXTS = (
    # The texts of one row are adjacent in the file.
    "SELECT id || name FROM office WHERE key = ?1",
    "SELECT delivery_id FROM delivery WHERE office = ?1 ORDER BY number DESC LIMIT 50",
    "SELECT substr(balances, 1, 60) FROM pull_page WHERE office = ?1 AND length(balances) > 30 LIMIT 50",
)


_OTHER_TEXTS = "SELECT id || name FROM office WHERE key <> ?1"
"""Texts of other offices that may contain a pattern: `north-elm`, `Elm Dental` contains that of `elm`, `Elm`."""


@dataclass(frozen=True, slots=True)
class ResidueScan:
    """Byte patterns of one office that no other office has."""

    path: Path
    """Of the database."""
    patterns: frozenset[bytes]

    @classmethod
    def from_database(cls, path: Path, office_id: str) -> Self:
        """Collect the patterns of an office.

        Raises:
            DatabaseMissing: there is no database.
            OfficeUnknown: it has no data for the office.
            DatabaseUnusable: it cannot be read.
        """
        path = path.expanduser().resolve()
        require_newest(path)
        with translate_errors(path), closing(open_read_only(path)) as connection:
            found = connection.execute("SELECT key FROM office WHERE id = ?", (office_id,)).fetchone()
            if found is None:
                raise OfficeUnknown(office_id)
            return cls(path, frozenset(_collect_patterns(connection, *found)))

    def count_found(self) -> int:
        """The number of patterns that are in the database's files."""
        missing = set(self.patterns)
        for suffix in SUFFIXES:
            file_path = self.path.with_name(self.path.name + suffix)
            with translate_errors(self.path):
                if file_path.exists():
                    missing -= _find_in_file(file_path, missing)
        return len(self.patterns) - len(missing)


def _find_in_file(file_path: Path, patterns: set[bytes]) -> set[bytes]:
    missing = set(patterns)
    overlap = max(map(len, missing), default=1) - 1
    with file_path.open("rb") as file:
        tail = b""
        while missing and (chunk := file.read(CHUNK_BYTES)):
            text = tail + chunk
            missing -= {pattern for pattern in missing if pattern in text}
            tail = text[-overlap:] if overlap else b""
    return patterns - missing


def _collect_patterns(connection: sqlite3.Connection, key: int) -> Iterator[bytes]:
    texts = [text for query in _TEXTS for (text,) in connection.execute(query, (key,))]
    others = [text for (text,) in connection.execute(_OTHER_TEXTS, (key,))]
    for text in texts:
        if len(pattern := text.encode()) >= PATTERN_BYTES_MIN and not any(text in other for other in others):
            yield pattern
    totals: defaultdict[int, set[bytes]] = defaultdict(set)
    for query in (_LATEST, _PAST):
        for amounts in connection.execute(query, (key,)):
            if len(pattern := b"".join(map(_encode_integer, amounts))) >= PATTERN_BYTES_MIN:
                totals[amounts[-1]].add(pattern)
    # An office that got another id is stored twice, with the same families. Their bytes belong to the other one, too,
    # even in another bucket, or next to a column that one of the two does not have.
    for amounts in connection.execute(_OTHERS, (key, json.dumps(list(totals)))):
        found = b"".join(map(_encode_integer, amounts))
        totals[amounts[-1]] -= {pattern for pattern in totals[amounts[-1]] if pattern in found}
    for patterns in totals.values():
        yield from patterns


def _encode_integer(value: Any) -> bytes:  # noqa: ANN401 - a column's value, which is an integer
    """An integer in SQLite's record format: no bytes for 0 and 1, otherwise the smallest size that fits."""
    if value in {0, 1}:
        return b""
    size = next(size for size in (1, 2, 3, 4, 6, 8) if -(1 << 8 * size - 1) <= value < 1 << 8 * size - 1)
    return int(value).to_bytes(size, "big", signed=True)
