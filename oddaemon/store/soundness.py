"""Whether what is stored is what was published: every snapshot and past day, held against its own control totals.

SQLite's integrity check finds pages and indexes that do not fit together; it cannot find an amount that was changed. So
all versions are read, and every snapshot is made again from them (`replay`). Nothing here shows an amount or a
guarantor.

It reads beside a running daemon, one office and one transaction at a time, and keeps no more than a batch of rows.
"""

import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NamedTuple

import msgspec

from oddaemon.core.model import MONEY_COLUMNS, Balance, ControlTotals
from oddaemon.core.report import added
from oddaemon.core.state import OfficeState
from oddaemon.core.verify import totals_of
from oddaemon.store.copying import reading
from oddaemon.store.errors import DatabaseUnusable, explained, legible
from oddaemon.store.maintenance import integrity_problems
from oddaemon.store.migration import prepare, require_newest
from oddaemon.store.past_day import PAST_DAY_NAMES, past_day_of_texts
from oddaemon.store.replay import Replay
from oddaemon.store.schema import REVISIONS
from oddaemon.store.snapshot_row import SNAPSHOT_NAMES, snapshot_row_of_texts

ROWS_A_BATCH = 20_000

_COLUMNS = ", ".join(Balance._fields)
_VERSIONS = f"SELECT valid_from, valid_to, {_COLUMNS} FROM balance WHERE office = ? ORDER BY pat_num, valid_from"  # noqa: S608 - our own column names
_CURRENT = f"SELECT {_COLUMNS} FROM balance WHERE office = ? AND valid_to IS NULL ORDER BY pat_num"  # noqa: S608 - the same
_SNAPSHOTS = f"SELECT {', '.join(SNAPSHOT_NAMES)} FROM snapshot WHERE office = ? ORDER BY id"  # noqa: S608 - the same
_BROKEN_PAGES = "SELECT 1 FROM pull_page WHERE office = ? AND NOT (json_valid(balances) AND json_valid(checkpoint))"
_PAST_DAYS = f"SELECT {', '.join(PAST_DAY_NAMES)} FROM historical_snapshot WHERE office = ? ORDER BY as_of"  # noqa: S608 - the same
_PAST_BALANCES = f"SELECT {_COLUMNS} FROM historical_balance WHERE snapshot = ?"  # noqa: S608 - the same
_ZERO = totals_of(())

_state_decoder = msgspec.json.Decoder(OfficeState)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as it was stored."""

    what: str
    office: str | None = None
    snapshot: int | None = None
    as_of: str | None = None
    """The past day, of one that was read afterwards."""


@dataclass(slots=True)
class Verification:
    """What was looked at, and what was found."""

    database: Path
    revision: str
    offices: int = 0
    snapshots: int = 0
    versions: int = 0
    past_days: int = 0
    """Days that were read afterwards."""
    problems: list[Problem] = field(default_factory=list)


def verify(path: Path, progress: Callable[[int, int], None] | None = None) -> Verification:
    """Read everything, beside a running daemon or without one.

    Args:
        path: the database, or a backup of one.
        progress: told how many offices of how many are done.

    Raises:
        DatabaseMissing: there is none.
        DatabaseOlder: it has to be migrated first.
        DatabaseNewer: its revision is not known.
        DatabaseUnusable: it cannot be read at all.
    """
    require_newest(path)
    found = Verification(path, REVISIONS[-1])
    with explained(path), closing(reading(path)) as connection:
        found.problems += (Problem(f"the file is damaged: {line}") for line in integrity_problems(connection))
        offices: list[tuple[_Office, str | None]] = []
        if _schema(connection) != _schema_as_made():
            found.problems.append(Problem("its tables and indexes are not those of its revision"))
        with _kept(found, None, path):
            rows = connection.execute("SELECT key, id, history_from, state FROM office ORDER BY id")
            offices = [(_Office(key, office_id, first or 0), state) for key, office_id, first, state in rows]
            found.problems += map(Problem, _strays(connection))
        for number, (office, state) in enumerate(offices):
            if progress is not None:
                progress(number, len(offices))
            found.offices += 1
            with _kept(found, office.id, path), _one_instant(connection):
                _verify_office(connection, office, found)
            with _kept(found, office.id, path), _one_instant(connection):
                _verify_past_days(connection, office, found)
            if state is not None and not _is_state(state):
                found.problems.append(Problem("its state cannot be read", office.id))
    return found


class _Office(NamedTuple):
    key: int
    id: str
    history_from: int
    """The snapshot before which everything was pruned; 0: nothing was."""


def _verify_office(connection: sqlite3.Connection, office: _Office, found: Verification) -> None:
    with legible(found.database):
        rows = connection.execute(_SNAPSHOTS, (office.key,))
        snapshots = {row.id: row for row in (snapshot_row_of_texts(office.id, values) for values in rows)}
    found.snapshots += len(snapshots)
    if connection.execute(_BROKEN_PAGES, (office.key,)).fetchone():
        found.problems.append(Problem("its open pull cannot be read", office.id))
    replay = Replay()
    with legible(found.database):
        for batch in _batches(connection.execute(_VERSIONS, (office.key,))):
            found.versions += len(batch)
            replay.add(batch)
    found.problems += (Problem(what, office.id) for what in replay.problems(snapshots.keys(), office.history_from))
    for snapshot_id, totals, (started, ended) in replay.snapshots(snapshots.keys()):
        row = snapshots[snapshot_id]
        if (wrong := _difference(totals, row.totals)) is not None:
            found.problems.append(Problem(f"its balances do not add up to its totals: {wrong}", office.id, row.id))
        # What ended with the first snapshot that is left was pruned, or is about to be.
        ended_as_told = ended <= row.ended if row.id == office.history_from else ended == row.ended
        if started != row.started or not ended_as_told:
            found.problems.append(Problem("its changes are not as many as it counts", office.id, row.id))
    with legible(found.database):
        current = totals_of([Balance._make(row) for row in connection.execute(_CURRENT, (office.key,))])
    last = snapshots[max(snapshots)] if snapshots else None
    if (wrong := _difference(current, last.totals if last else _ZERO)) is not None:
        what = f"the current balances do not add up to the last snapshot: {wrong}"
        found.problems.append(Problem(what, office.id, last.id if last else None))


def _verify_past_days(connection: sqlite3.Connection, office: _Office, found: Verification) -> None:
    for row in connection.execute(_PAST_DAYS, (office.key,)).fetchall():
        found.past_days += 1
        told = dict(zip(PAST_DAY_NAMES, row, strict=True))
        try:
            with legible(found.database):
                day, totals = past_day_of_texts(row), _ZERO
                for batch in _batches(connection.execute(_PAST_BALANCES, (day.key,))):
                    totals = added(totals, list(map(Balance._make, batch)))
        except DatabaseUnusable as error:
            found.problems.append(Problem(error.what, office.id, as_of=str(told["as_of"])))
            continue
        if (wrong := _difference(totals, day.totals)) is not None:
            what = f"its balances do not add up to its totals: {wrong}"
            found.problems.append(Problem(what, office.id, as_of=day.aging_date.isoformat()))


def _schema(connection: sqlite3.Connection) -> set[tuple[str, str]]:
    return set(connection.execute("SELECT name, sql FROM sqlite_master"))


@cache
def _schema_as_made() -> set[tuple[str, str]]:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "new.db")
        path.touch()
        prepare(path)
        with closing(reading(path)) as connection:
            return _schema(connection)


def _strays(connection: sqlite3.Connection) -> Iterator[str]:
    for table, rows in (
        ("pull_page", "SELECT COUNT(*) FROM pull_page WHERE office NOT IN (SELECT key FROM office)"),
        ("snapshot", "SELECT COUNT(*) FROM snapshot WHERE office NOT IN (SELECT key FROM office)"),
        ("delivery", "SELECT COUNT(*) FROM delivery WHERE office NOT IN (SELECT key FROM office)"),
        ("balance", "SELECT COUNT(*) FROM balance WHERE office NOT IN (SELECT key FROM office)"),
        ("backfill", "SELECT COUNT(*) FROM backfill WHERE office NOT IN (SELECT key FROM office)"),
        (
            "historical_snapshot",
            "SELECT COUNT(*) FROM historical_snapshot WHERE office NOT IN (SELECT key FROM office)",
        ),
    ):
        ((count,),) = connection.execute(rows).fetchall()
        if count:
            yield f"{count} rows of table {table} belong to no office"


def _difference(found: ControlTotals, wanted: ControlTotals) -> str | None:
    """What differs, without amounts."""
    if found.guarantors != wanted.guarantors:
        return f"{found.guarantors} guarantors instead of {wanted.guarantors}"
    differing = [name for name in MONEY_COLUMNS if getattr(found, name) != getattr(wanted, name)]
    if differing:
        return f"the sums of {', '.join(differing)} differ"
    return None if found == wanted else "the sums agree and the rows do not"


def _is_state(state: str) -> bool:
    try:
        _state_decoder.decode(state)
    except (msgspec.DecodeError, TypeError):
        return False
    return True


def _batches(cursor: sqlite3.Cursor) -> Iterator[list[tuple[int, ...]]]:
    while batch := cursor.fetchmany(ROWS_A_BATCH):
        yield batch


@contextmanager
def _one_instant(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.rollback()


@contextmanager
def _kept(found: Verification, office_id: str | None, path: Path) -> Iterator[None]:
    """What cannot be read is a problem of this office, and no reason not to look at the others."""
    try:
        with explained(path):
            yield
    except DatabaseUnusable as error:
        found.problems.append(Problem(error.what, office_id))
