"""Deletes what is older than the retention period: snapshots, versions that only they needed, journal entries.

Afterwards an office's history begins with the last snapshot from before the period: the first changes within the period
start from it. The latest snapshot is kept, however old it is.

One transaction deletes the snapshots and stores where the history begins now. From then on no reader can ask for their
versions, so these are deleted in small transactions of some milliseconds. If the process is killed in between, the
versions that are left are invisible, and the next run deletes them.

A backfilled day is kept as long as a snapshot, counted from the day on which it was read.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Date

from oddaemon.store.column_types import Instant
from oddaemon.store.database import Database
from oddaemon.store.dialect import make_statement

ROWS_PER_TRANSACTION = 2000
"""About 10 ms of the only writer."""

PAT_NUM_MIN = -(1 << 63)
"""The least number that a column can hold."""
_OFFICES = make_statement("SELECT key FROM office ORDER BY key")
_HISTORY_START = make_statement(
    """
    WITH own AS (SELECT id, aging_date FROM snapshot WHERE office = :office),
        retained AS (SELECT min(id) AS id FROM own WHERE aging_date >= :first_day)
    SELECT coalesce((SELECT max(own.id) FROM own, retained WHERE own.id < retained.id), retained.id,
        (SELECT max(id) FROM own)), (SELECT min(id) FROM own) FROM retained
    """,
    first_day=Date(),
)
"""The snapshot with which an office's history must begin, and the one with which it begins now."""
_DELETE_SNAPSHOTS = make_statement("DELETE FROM snapshot WHERE office = :office AND id < :first")
_BEGIN_HISTORY = make_statement("UPDATE office SET history_from = :first WHERE key = :office")
_ENDED = make_statement(
    """
    SELECT balance.pat_num, balance.valid_from FROM balance JOIN office ON office.key = balance.office
    WHERE balance.office = :office AND balance.pat_num >= :pat_num AND balance.valid_to <= office.history_from
    ORDER BY balance.pat_num, balance.valid_from LIMIT :limit
    """
)
_DELETE_VERSION = make_statement(
    "DELETE FROM balance WHERE office = :office AND pat_num = :pat_num AND valid_from = :valid_from"
)
_DELETE_JOURNAL_ENTRIES = make_statement(
    f"""
    DELETE FROM journal WHERE number IN (
        SELECT number FROM journal WHERE at < :cutoff ORDER BY number LIMIT {ROWS_PER_TRANSACTION})
    RETURNING number
    """,  # noqa: S608 - a number of our own
    cutoff=Instant(),
)
_DELETE_BACKFILL_JOBS = make_statement(
    "DELETE FROM backfill WHERE stage <> 'open' AND ordered_at < :cutoff", cutoff=Instant()
)
_DELETE_BACKFILLED_DAYS = make_statement(
    "DELETE FROM historical_snapshot WHERE published_at < :cutoff RETURNING id", cutoff=Instant()
)
_DELETE_BACKFILLED_BALANCES = make_statement(
    f"""
    DELETE FROM historical_balance WHERE (snapshot, pat_num) IN (SELECT snapshot, pat_num FROM historical_balance
    WHERE snapshot NOT IN (SELECT id FROM historical_snapshot) LIMIT {ROWS_PER_TRANSACTION}) RETURNING pat_num
    """  # noqa: S608 - a number of our own
)


@dataclass(frozen=True, slots=True)
class PruneResult:
    """The number of deleted rows."""

    snapshots: int = 0
    versions: int = 0
    journal_entries: int = 0
    backfilled_days: int = 0


async def prune(db: Database, cutoff: datetime) -> PruneResult:
    """Delete what is older than the cutoff; snapshots with an aging date of that day or later are kept.

    Raises:
        DatabaseUnusable: the database fails; what was deleted until then is gone, and the rest is complete.
    """
    snapshots = versions = 0
    for (key,) in await db.fetch(_OFFICES, {}, tuple):
        snapshots += await _prune_snapshots(db, key, cutoff)
        versions += await _prune_versions(db, key)
    return PruneResult(snapshots, versions, await _prune_journal(db, cutoff), await _prune_backfilled_days(db, cutoff))


async def _prune_snapshots(db: Database, office_key: int, cutoff: datetime) -> int:
    values = {"office": office_key, "first_day": cutoff.date()}
    ((new_first, first),) = await db.fetch(_HISTORY_START, values, tuple)
    if new_first is None or new_first == first:
        return 0
    async with db.transaction() as connection:
        beginning = {"office": office_key, "first": new_first}
        deleted = await connection.execute(_DELETE_SNAPSHOTS, beginning)
        await connection.execute(_BEGIN_HISTORY, beginning)
        return deleted.rowcount


async def _prune_versions(db: Database, office_key: int) -> int:
    # Numbers of patients may be negative: Open Dental has an option for random ones.
    pruned, pat_num = 0, PAT_NUM_MIN
    while True:
        values = {"office": office_key, "pat_num": pat_num, "limit": ROWS_PER_TRANSACTION}
        ended = await db.fetch(_ENDED, values, tuple)
        if ended:
            async with db.transaction() as connection:
                await connection.execute(
                    _DELETE_VERSION,
                    [{"office": office_key, "pat_num": ended_of, "valid_from": since} for ended_of, since in ended],
                )
            pruned += len(ended)
        if len(ended) < ROWS_PER_TRANSACTION:
            return pruned
        pat_num = ended[-1][0]


async def _prune_journal(db: Database, cutoff: datetime) -> int:
    pruned = 0
    while deleted := len(await db.execute_one(_DELETE_JOURNAL_ENTRIES, {"cutoff": cutoff})):
        pruned += deleted
    return pruned


async def _prune_backfilled_days(db: Database, cutoff: datetime) -> int:
    values = {"cutoff": cutoff}
    await db.execute_one(_DELETE_BACKFILL_JOBS, values)
    deleted = len(await db.execute_one(_DELETE_BACKFILLED_DAYS, values))
    # Rows of these days, and of days from an interrupted run.
    while await db.execute_one(_DELETE_BACKFILLED_BALANCES, {}):
        pass
    return deleted
