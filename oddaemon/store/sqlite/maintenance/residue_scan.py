"""What a person who knows an office would look for in the database's files, byte by byte.

Never in a process that has the database open for longer than this takes: the files are read as files, and closing a
descriptor of its own takes away the locks that SQLite holds. A running daemon therefore only removes, and whoever asked
it to looks before and after.
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
from oddaemon.store.sqlite.copy import open_read_only
from oddaemon.store.sqlite.errors import translate_errors
from oddaemon.store.sqlite.history_reader import HistoryReader

SUFFIXES = ("", "-wal", "-journal")
SAMPLE_ROWS = 200
"""Balances that are looked for, the latest ones of each table."""
PATTERN_BYTES_MIN = 12
"""Shorter ones may be in the file by chance."""
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
"""Those that may hold a pattern: it ends with the sum."""
_TEXTS = (
    # Texts of one row stand side by side in the file.
    "SELECT id || name FROM office WHERE key = ?1",
    "SELECT delivery_id FROM delivery WHERE office = ?1 ORDER BY number DESC LIMIT 50",
    "SELECT substr(balances, 1, 60) FROM pull_page WHERE office = ?1 AND length(balances) > 30 LIMIT 50",
)


@dataclass(frozen=True, slots=True)
class ResidueScan:
    """Patterns of one office, none of which any other office has."""

    path: Path
    """Of the database."""
    patterns: frozenset[bytes]

    @classmethod
    def from_database(cls, path: Path, office_id: str) -> Self:
        """Those of an office that is stored.

        Raises:
            DatabaseMissing: There is no database.
            OfficeUnknown: Nothing is stored of it.
            DatabaseUnusable: It cannot be read.
        """
        with HistoryReader.open(path) as history:
            path, key = history.path, history.get_office(office_id).key
        with translate_errors(path), closing(open_read_only(path)) as connection:
            return cls(path, frozenset(_collect_patterns(connection, key)))

    def count_found(self) -> int:
        """How many of them are anywhere in the database's files."""
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
    for query in _TEXTS:
        yield from (text.encode() for (text,) in connection.execute(query, (key,)))
    totals: defaultdict[int, set[bytes]] = defaultdict(set)
    for query in (_LATEST, _PAST):
        for amounts in connection.execute(query, (key,)):
            if len(pattern := b"".join(map(_encode_integer, amounts))) >= PATTERN_BYTES_MIN:
                totals[amounts[-1]].add(pattern)
    # An office that was given another id has the same families twice: its bytes are the other one's, too, even in
    # another bucket, or beside a column that one of the two does not tell.
    for amounts in connection.execute(_OTHERS, (key, json.dumps(list(totals)))):
        found = b"".join(map(_encode_integer, amounts))
        totals[amounts[-1]] -= {pattern for pattern in totals[amounts[-1]] if pattern in found}
    for patterns in totals.values():
        yield from patterns


def _encode_integer(value: Any) -> bytes:  # noqa: ANN401 - a column's value, which is an integer
    """An integer as SQLite's record format has it: nothing at all for 0 and 1, else the fewest bytes of its sizes."""
    if value in {0, 1}:
        return b""
    size = next(size for size in (1, 2, 3, 4, 6, 8) if -(1 << 8 * size - 1) <= value < 1 << 8 * size - 1)
    return int(value).to_bytes(size, "big", signed=True)
