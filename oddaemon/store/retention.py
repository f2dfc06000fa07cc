"""What is older than the retained period goes: snapshots, versions that only they needed, lines of the journal.

The snapshot with which an office's history begins afterwards is the last one from before the period: it tells how the
office stood when the period began, and from what its first changes started. The latest snapshot stays, however old.

A snapshot goes in one transaction together with the word where history begins from now on; from then on no reader can
ask for what its versions held, so they follow in small bites, each a transaction of some milliseconds. A process that
is killed in between leaves versions that nobody sees, and the next run takes them.

A past day that was read by order is kept for as long as a snapshot, from the day on which it was read.
"""

from dataclasses import dataclass
from datetime import datetime

from oddaemon.store.database import Database
from oddaemon.store.schema import format_instant

ROWS_PER_TRANSACTION = 2000
"""About 10 ms of the one connection that writes."""

_OFFICES = "SELECT key FROM office ORDER BY key"
_HISTORY_START = """
    WITH own AS (SELECT id, aging_date FROM snapshot WHERE office = ?1),
        retained AS (SELECT min(id) AS id FROM own WHERE aging_date >= ?2)
    SELECT coalesce((SELECT max(own.id) FROM own, retained WHERE own.id < retained.id), retained.id,
        (SELECT max(id) FROM own)), (SELECT min(id) FROM own) FROM retained
"""
"""The snapshot with which an office's history is to begin, and with which it begins."""
_DELETE_SNAPSHOTS = "DELETE FROM snapshot WHERE office = ? AND id < ?"
_BEGIN_HISTORY = "UPDATE office SET history_from = ? WHERE key = ?"
_ENDED = f"""
    SELECT balance.pat_num, balance.valid_from FROM balance JOIN office ON office.key = balance.office
    WHERE balance.office = ? AND balance.pat_num >= ? AND balance.valid_to <= office.history_from
    ORDER BY balance.pat_num, balance.valid_from LIMIT {ROWS_PER_TRANSACTION}
"""  # noqa: S608 - a number of our own
_DELETE_VERSION = "DELETE FROM balance WHERE office = ? AND pat_num = ? AND valid_from = ?"
_DELETE_JOURNAL_ENTRIES = f"""
    DELETE FROM journal WHERE number IN (
        SELECT number FROM journal WHERE at < ? ORDER BY number LIMIT {ROWS_PER_TRANSACTION})
    RETURNING number
"""  # noqa: S608 - a number of our own

_DELETE_BACKFILL_JOBS = "DELETE FROM backfill WHERE stage <> 'open' AND ordered_at < ?"
_DELETE_BACKFILLED_DAYS = "DELETE FROM historical_snapshot WHERE published_at < ? RETURNING id"
_DELETE_BACKFILLED_BALANCES = f"""
    DELETE FROM historical_balance WHERE (snapshot, pat_num) IN (SELECT snapshot, pat_num FROM historical_balance
    WHERE snapshot NOT IN (SELECT id FROM historical_snapshot) LIMIT {ROWS_PER_TRANSACTION}) RETURNING pat_num
"""  # noqa: S608 - a number of our own


@dataclass(frozen=True, slots=True)
class PruneResult:
    """What went."""

    snapshots: int = 0
    versions: int = 0
    journal_entries: int = 0
    backfilled_days: int = 0
    """Historical snapshots, which were read by order."""


async def prune(db: Database, cutoff: datetime) -> PruneResult:
    """Forget what was over before an instant.

    Args:
        db: the database, open for writing.
        cutoff: where the retained period begins; snapshots with an aging date of that day or later stay.

    Raises:
        DatabaseUnusable: the file or its disk fails; what went until then is gone, and the rest is whole.
    """
    async with db.read_transaction() as connection:
        keys = [key for (key,) in await connection.exec_driver_sql(_OFFICES)]
    snapshots = versions = 0
    for key in keys:
        snapshots += await _prune_snapshots(db, key, cutoff)
        versions += await _prune_versions(db, key)
    return PruneResult(snapshots, versions, await _prune_journal(db, cutoff), await _prune_backfilled_days(db, cutoff))


async def _prune_snapshots(db: Database, office_key: int, cutoff: datetime) -> int:
    async with db.read_transaction() as connection:
        found = (await connection.exec_driver_sql(_HISTORY_START, (office_key, cutoff.date().isoformat()))).one()
        new_first, first = tuple(found)
    if new_first is None or new_first == first:
        return 0
    async with db.transaction() as connection:
        deleted = await connection.exec_driver_sql(_DELETE_SNAPSHOTS, (office_key, new_first))
        await connection.exec_driver_sql(_BEGIN_HISTORY, (new_first, office_key))
        return deleted.rowcount


async def _prune_versions(db: Database, office_key: int) -> int:
    pruned, pat_num = 0, -1
    while True:
        async with db.read_transaction() as connection:
            ended = [tuple(row) for row in await connection.exec_driver_sql(_ENDED, (office_key, pat_num))]
        if ended:
            async with db.transaction() as connection:
                await connection.exec_driver_sql(_DELETE_VERSION, [(office_key, *version) for version in ended])
            pruned += len(ended)
        if len(ended) < ROWS_PER_TRANSACTION:
            return pruned
        pat_num = ended[-1][0]


async def _prune_journal(db: Database, cutoff: datetime) -> int:
    pruned = 0
    while deleted := len(await db.execute_one(_DELETE_JOURNAL_ENTRIES, (format_instant(cutoff),))):
        pruned += deleted
    return pruned


async def _prune_backfilled_days(db: Database, cutoff: datetime) -> int:
    at = (format_instant(cutoff),)
    await db.execute_one(_DELETE_BACKFILL_JOBS, at)
    deleted = len(await db.execute_one(_DELETE_BACKFILLED_DAYS, at))
    # Of those days, or of one whose forgetting was broken off.
    while await db.execute_one(_DELETE_BACKFILLED_BALANCES):
        pass
    return deleted
