"""Verifies that the stored balances are those that were published, by the control totals of each snapshot and day.

A database's own check finds inconsistent pages and indexes, but not a changed amount. So all versions are read, and
every snapshot is rebuilt from them (`replay`). No message shows an amount or a guarantor.

It can run beside a daemon: it reads one office in one state of the database at a time, and holds one batch of rows.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import msgspec

from oddaemon.core.model import MONEY_COLUMNS, Balance, ControlTotals
from oddaemon.core.snapshot.verify import add_totals, compute_totals
from oddaemon.store.backfilled_days import BACKFILLED_DAY_COLUMNS, BACKFILLED_DAYS_OF_OFFICE, parse_backfilled_day
from oddaemon.store.database import ReadConnection
from oddaemon.store.dialect import make_statement
from oddaemon.store.errors import DatabaseUnusable, decoding_errors
from oddaemon.store.history.replay import Replay
from oddaemon.store.offices import decode_state
from oddaemon.store.values import BALANCE_COLUMNS, SNAPSHOTS_OF_OFFICE, parse_snapshot

ROWS_PER_BATCH = 20_000
_PAGES_PER_BATCH = 100

_OFFICES = make_statement("SELECT key, id, history_from, state FROM office ORDER BY id")
_SNAPSHOTS = make_statement(SNAPSHOTS_OF_OFFICE)
_BACKFILLED_DAYS = make_statement(BACKFILLED_DAYS_OF_OFFICE)
_VERSIONS = make_statement(
    f"SELECT valid_from, valid_to, {BALANCE_COLUMNS} FROM balance WHERE office = :office ORDER BY pat_num, valid_from"  # noqa: S608 - our own column names
)
_CURRENT = make_statement(
    f"SELECT {BALANCE_COLUMNS} FROM balance WHERE office = :office AND valid_to IS NULL ORDER BY pat_num"  # noqa: S608 - the same
)
_PAGES = make_statement("SELECT balances, checkpoint FROM pull_page WHERE office = :office")
_BACKFILLED_BALANCES = make_statement(f"SELECT {BALANCE_COLUMNS} FROM historical_balance WHERE snapshot = :day")  # noqa: S608 - the same
_OFFICE_TABLES = ("pull_page", "snapshot", "delivery", "balance", "backfill", "historical_snapshot")
_ORPHANS = {
    table: make_statement(f"SELECT COUNT(*) FROM {table} WHERE office NOT IN (SELECT key FROM office)")  # noqa: S608 - our own names
    for table in _OFFICE_TABLES
}
_ZERO = compute_totals(())

ProgressCallback = Callable[[int, int], None]
"""Called with the number of offices that are done, and of all."""


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

    database: str
    """Which one: a path, or a server and a name."""
    revision: str
    offices: int = 0
    snapshots: int = 0
    versions: int = 0
    backfilled_days: int = 0
    problems: list[IntegrityProblem] = field(default_factory=list)
    advice: str = ""
    """What else can be checked, by other programs."""


def verify_offices(connection: ReadConnection, result: Verification, progress: ProgressCallback | None = None) -> None:
    """Read and verify what is stored of every office, and add what is found to `result`.

    Raises:
        DatabaseUnusable: the database cannot be read now.
    """
    offices: list[tuple[Any, ...]] = []
    with _collect_errors(result, None):
        offices = connection.fetch(_OFFICES, {})
        result.problems += map(IntegrityProblem, _find_orphans(connection))
    for number, (key, office_id, history_from, state) in enumerate(offices):
        if progress is not None:
            progress(number, len(offices))
        result.offices += 1
        with _collect_errors(result, office_id), connection.hold_state():
            _verify_office(connection, key, office_id, history_from or 0, result)
        with _collect_errors(result, office_id), connection.hold_state():
            _verify_backfilled_days(connection, key, office_id, result)
        if state is not None and decode_state(state) is None:
            result.problems.append(IntegrityProblem("its state cannot be read", office_id))


def _verify_office(
    connection: ReadConnection, key: int, office_id: str, history_from: int, result: Verification
) -> None:
    """`history_from` is the first snapshot that was not pruned; 0: nothing was pruned."""
    with decoding_errors(result.database):
        rows = connection.fetch(_SNAPSHOTS, {"office": key})
        snapshots = {row.id: row for row in (parse_snapshot(office_id, values) for values in rows)}
    result.snapshots += len(snapshots)
    if not _are_pages_readable(connection, key):
        result.problems.append(IntegrityProblem("its open pull cannot be read", office_id))
    replay = Replay()
    with decoding_errors(result.database):
        for batch in connection.stream(_VERSIONS, {"office": key}, ROWS_PER_BATCH):
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
        current = compute_totals([Balance._make(row) for row in connection.fetch(_CURRENT, {"office": key})])
    last = snapshots[max(snapshots)] if snapshots else None
    if (mismatch := _describe_mismatch(current, last.totals if last else _ZERO)) is not None:
        what = f"the current balances do not add up to the last snapshot: {mismatch}"
        result.problems.append(IntegrityProblem(what, office_id, last.id if last else None))


def _verify_backfilled_days(connection: ReadConnection, key: int, office_id: str, result: Verification) -> None:
    for row in connection.fetch(_BACKFILLED_DAYS, {"office": key}):
        result.backfilled_days += 1
        columns = dict(zip(BACKFILLED_DAY_COLUMNS, row, strict=True))
        try:
            with decoding_errors(result.database):
                day, totals = parse_backfilled_day(office_id, row), _ZERO
                for batch in connection.stream(_BACKFILLED_BALANCES, {"day": day.id}, ROWS_PER_BATCH):
                    totals = add_totals(totals, compute_totals(list(map(Balance._make, batch))))
        except DatabaseUnusable as error:
            if error.is_transient:
                raise
            result.problems.append(IntegrityProblem(error.what, office_id, as_of=str(columns["as_of"])))
            continue
        if (mismatch := _describe_mismatch(totals, day.totals)) is not None:
            what = f"its balances do not add up to its totals: {mismatch}"
            result.problems.append(IntegrityProblem(what, office_id, as_of=day.aging_date.isoformat()))


def _are_pages_readable(connection: ReadConnection, key: int) -> bool:
    """Whether the pages of an office's open pull are JSON."""
    try:
        for batch in connection.stream(_PAGES, {"office": key}, _PAGES_PER_BATCH):
            for text in chain.from_iterable(batch):
                msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeError, TypeError):
        return False
    return True


def _find_orphans(connection: ReadConnection) -> Iterator[str]:
    for table, statement in _ORPHANS.items():
        ((count,),) = connection.fetch(statement, {})
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
def _collect_errors(result: Verification, office_id: str | None) -> Iterator[None]:
    """Record unreadable data as a problem of this office, and go on with the others.

    What waiting can help says nothing of the data: a lock, a lost connection, a disk that fails now.
    """
    try:
        yield
    except DatabaseUnusable as error:
        if error.is_transient:
            raise
        result.problems.append(IntegrityProblem(error.what, office_id))
