"""Verifies that the stored balances are those that were published, by the control totals of each snapshot and day.

SQLite's integrity check finds inconsistent pages and indexes, but not a changed amount. So all versions are read, and
every snapshot is rebuilt from them (`replay`). No message shows an amount or a guarantor.

It can run beside a daemon: it reads one office in one transaction at a time, and holds one batch of rows.
"""

import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

from oddaemon.core.model import MONEY_COLUMNS, Balance, ControlTotals
from oddaemon.core.snapshot.verify import add_totals, compute_totals
from oddaemon.store.backfilled_days import BACKFILLED_DAY_COLUMNS, BACKFILLED_DAYS_OF_OFFICE, parse_backfilled_day
from oddaemon.store.errors import DatabaseUnusable, decoding_errors
from oddaemon.store.history.replay import Replay
from oddaemon.store.offices import decode_state
from oddaemon.store.schema import REVISIONS
from oddaemon.store.sqlite.copy import open_read_only
from oddaemon.store.sqlite.errors import translate_errors
from oddaemon.store.sqlite.location import get_wal_path
from oddaemon.store.sqlite.maintenance.vacuum import find_integrity_problems
from oddaemon.store.sqlite.open_mark import has_lost_log
from oddaemon.store.sqlite.version import prepare, require_newest
from oddaemon.store.values import BALANCE_COLUMNS, SNAPSHOTS_OF_OFFICE, parse_snapshot

ROWS_PER_BATCH = 20_000

_VERSIONS = f"SELECT valid_from, valid_to, {BALANCE_COLUMNS} FROM balance WHERE office = ? ORDER BY pat_num, valid_from"  # noqa: S608 - our own column names
_CURRENT = f"SELECT {BALANCE_COLUMNS} FROM balance WHERE office = ? AND valid_to IS NULL ORDER BY pat_num"  # noqa: S608 - the same
_BROKEN_PAGES = "SELECT 1 FROM pull_page WHERE office = ? AND NOT (json_valid(balances) AND json_valid(checkpoint))"
_BACKFILLED_BALANCES = f"SELECT {BALANCE_COLUMNS} FROM historical_balance WHERE snapshot = ?"  # noqa: S608 - the same
_OFFICE_TABLES = ("pull_page", "snapshot", "delivery", "balance", "backfill", "historical_snapshot")
_LOST_LOG = (
    "it was not closed, and its log {} is missing or empty: what was stored after the last checkpoint is not in this "
    "file, and how much that is cannot be known"
)
_ZERO = compute_totals(())


@dataclass(frozen=True, slots=True)
class IntegrityProblem:
    """One inconsistency."""

    what: str
    office: str | None = None
    snapshot: int | None = None
    as_of: str | None = None
    """The date of a backfilled day."""


@dataclass(slots=True)
class Verification:
    """What was verified, and the problems found."""

    database: Path
    revision: str
    offices: int = 0
    snapshots: int = 0
    versions: int = 0
    backfilled_days: int = 0
    problems: list[IntegrityProblem] = field(default_factory=list)


def verify(path: Path, progress: Callable[[int, int], None] | None = None) -> Verification:
    """Read and verify everything, with or without a running daemon.

    Raises:
        StoreError: as `require_newest`: it cannot be read at all.
    """
    require_newest(path)
    result = Verification(path, REVISIONS[-1])
    with translate_errors(path), closing(open_read_only(path)) as connection:
        result.problems += (
            IntegrityProblem(f"the file is damaged: {line}") for line in find_integrity_problems(connection)
        )
        if has_lost_log(connection, path):
            result.problems.append(IntegrityProblem(_LOST_LOG.format(get_wal_path(path).name)))
        offices: list[tuple[int, str, int | None, str | None]] = []
        if _read_schema(connection) != _build_reference_schema():
            result.problems.append(IntegrityProblem("its tables or indexes differ from those of its revision"))
        with _collect_errors(result, None, path):
            offices = connection.execute("SELECT key, id, history_from, state FROM office ORDER BY id").fetchall()
            result.problems += map(IntegrityProblem, _find_orphans(connection))
        for number, (key, office_id, history_from, state) in enumerate(offices):
            if progress is not None:
                progress(number, len(offices))
            result.offices += 1
            with _collect_errors(result, office_id, path), _read_transaction(connection):
                _verify_office(connection, key, office_id, history_from or 0, result)
            with _collect_errors(result, office_id, path), _read_transaction(connection):
                _verify_backfilled_days(connection, key, office_id, result)
            if state is not None and decode_state(state) is None:
                result.problems.append(IntegrityProblem("its state cannot be read", office_id))
    return result


def _verify_office(
    connection: sqlite3.Connection, key: int, office_id: str, history_from: int, result: Verification
) -> None:
    """`history_from` is the first snapshot that was not pruned; 0: nothing was pruned."""
    with decoding_errors(result.database):
        rows = connection.execute(SNAPSHOTS_OF_OFFICE, {"office": key})
        snapshots = {row.id: row for row in (parse_snapshot(office_id, values) for values in rows)}
    result.snapshots += len(snapshots)
    if connection.execute(_BROKEN_PAGES, (key,)).fetchone():
        result.problems.append(IntegrityProblem("its open pull cannot be read", office_id))
    replay = Replay()
    with decoding_errors(result.database):
        versions = connection.execute(_VERSIONS, (key,))
        for batch in iter(partial(versions.fetchmany, ROWS_PER_BATCH), []):
            result.versions += len(batch)
            replay.add_versions(batch)
    result.problems += (
        IntegrityProblem(what, office_id) for what in replay.find_problems(snapshots.keys(), history_from)
    )
    for snapshot_id, totals, (started, ended) in replay.compute_snapshots(snapshots.keys()):
        row = snapshots[snapshot_id]
        if (mismatch := _describe_mismatch(totals, row.totals)) is not None:
            result.problems.append(
                IntegrityProblem(f"its balances do not add up to its totals: {mismatch}", office_id, row.id)
            )
        # Versions that ended with the first kept snapshot were pruned, or will be.
        is_ended_consistent = (
            ended <= row.changed + row.cleared if row.id == history_from else ended == row.changed + row.cleared
        )
        if started != row.new + row.changed or not is_ended_consistent:
            result.problems.append(
                IntegrityProblem("the number of its changes differs from its count", office_id, row.id)
            )
    with decoding_errors(result.database):
        current = compute_totals([Balance._make(row) for row in connection.execute(_CURRENT, (key,))])
    last = snapshots[max(snapshots)] if snapshots else None
    if (mismatch := _describe_mismatch(current, last.totals if last else _ZERO)) is not None:
        what = f"the current balances do not add up to the last snapshot: {mismatch}"
        result.problems.append(IntegrityProblem(what, office_id, last.id if last else None))


def _verify_backfilled_days(connection: sqlite3.Connection, key: int, office_id: str, result: Verification) -> None:
    for row in connection.execute(BACKFILLED_DAYS_OF_OFFICE, {"office": key}).fetchall():
        result.backfilled_days += 1
        columns = dict(zip(BACKFILLED_DAY_COLUMNS, row, strict=True))
        try:
            with decoding_errors(result.database):
                day, totals = parse_backfilled_day(office_id, row), _ZERO
                rows = connection.execute(_BACKFILLED_BALANCES, (day.id,))
                for batch in iter(partial(rows.fetchmany, ROWS_PER_BATCH), []):
                    totals = add_totals(totals, compute_totals(list(map(Balance._make, batch))))
        except DatabaseUnusable as error:
            result.problems.append(IntegrityProblem(error.what, office_id, as_of=str(columns["as_of"])))
            continue
        if (mismatch := _describe_mismatch(totals, day.totals)) is not None:
            what = f"its balances do not add up to its totals: {mismatch}"
            result.problems.append(IntegrityProblem(what, office_id, as_of=day.aging_date.isoformat()))


def _read_schema(connection: sqlite3.Connection) -> set[tuple[str, str]]:
    return set(connection.execute("SELECT name, sql FROM sqlite_master"))


@cache
def _build_reference_schema() -> set[tuple[str, str]]:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "new.db")
        path.touch()
        prepare(path)
        with closing(open_read_only(path)) as connection:
            return _read_schema(connection)


def _find_orphans(connection: sqlite3.Connection) -> Iterator[str]:
    for table in _OFFICE_TABLES:
        query = f"SELECT COUNT(*) FROM {table} WHERE office NOT IN (SELECT key FROM office)"  # noqa: S608 - our own names
        ((count,),) = connection.execute(query).fetchall()
        if count:
            yield f"{count} rows of table {table} belong to no office"


def _describe_mismatch(found: ControlTotals, expected: ControlTotals) -> str | None:
    """What differs, without amounts; None: nothing."""
    if found.guarantors != expected.guarantors:
        return f"{found.guarantors} guarantors instead of {expected.guarantors}"
    differing = [name for name in MONEY_COLUMNS if getattr(found, name) != getattr(expected, name)]
    if differing:
        return f"the sums of {', '.join(differing)} differ"
    return None if found == expected else "the sums agree but the rows differ"


@contextmanager
def _read_transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.rollback()


@contextmanager
def _collect_errors(result: Verification, office_id: str | None, path: Path) -> Iterator[None]:
    """Record unreadable data as a problem of this office, and go on with the others."""
    try:
        with translate_errors(path):
            yield
    except DatabaseUnusable as error:
        result.problems.append(IntegrityProblem(error.what, office_id))
