"""A sample fleet with a past: three nights of one office, one of another."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import anyio

from oddaemon.core.backfill.job import BackfillMethod, BackfillResult, BackfillTarget
from oddaemon.core.model import Balance, OfficeSpec, Reader, Snapshot
from oddaemon.core.snapshot.verify import compute_totals
from oddaemon.store import backfill_jobs, backfilled_days, snapshots
from oddaemon.store.sqlite.connection import SqliteDatabase
from tests.cli.sample_fleet import CONFIGURATION, SampleFleet, make_fresh_state, write_config
from tests.store.configured import register_offices

FIRST = (
    Balance(11, 0, 10000, 10000, 0, 0, 0, 0, 10000),
    Balance(12, 0, 500, 0, 500, 0, 0, 0, 500),
    Balance(13, 2, 0, 0, 0, 0, 0, 0, 0)._replace(ins_est=700),
)
SECOND = (
    FIRST[0]._replace(bal_0_30=4000, bal_31_60=6000),
    Balance(12, 0, 500, 0, 500, 0, 0, 0, 500),
    Balance(14, 3, 2500, 2500, 0, 0, 0, 0, 2500),
)
THIRD = (SECOND[0], Balance(14, 3, 2000, 2000, 0, 0, 0, 0, 2000))
NIGHTS = {date(2026, 3, 2): FIRST, date(2026, 3, 3): SECOND, date(2026, 3, 5): THIRD}
OTHER = (Balance(11, 0, 300, 300, 0, 0, 0, 0, 300),)


@dataclass(frozen=True)
class History:
    fleet: SampleFleet
    directory: Path

    def run(self, *arguments: str) -> str:
        result = self.fleet.run(*arguments)
        assert (result.exit_code, result.stderr) == (0, "")
        return result.stdout

    def run_failing(self, *arguments: str, status: int = 1) -> str:
        result = self.fleet.run(*arguments)
        assert (result.exit_code, result.stdout) == (status, "")
        return result.stderr.strip()


def store_backfill(
    history: History, day: date, rows: tuple[Balance, ...], via: BackfillMethod = BackfillMethod.REPORT
) -> None:
    """What `oddaemon backfill bright-smiles` leaves."""

    async def store() -> None:
        async with SqliteDatabase.open(str(history.directory / "state.db")) as db:
            job = await backfill_jobs.get_or_create(db, BackfillTarget("bright-smiles", day, via), history.fleet.now)
            await backfilled_days.publish(db, job, BackfillResult(rows, compute_totals(rows), 7), history.fleet.now)

    anyio.run(store)


def store_night(history: History, day: date, rows: tuple[Balance, ...], reader: Reader) -> None:
    """What a night leaves of an office that is read so."""

    async def store() -> None:
        async with SqliteDatabase.open(str(history.directory / "state.db")) as db:
            await _publish_night(db, "bright-smiles", day, rows, history.fleet.now, reader=reader)

    anyio.run(store)


def make_history(directory: Path) -> History:
    fleet = SampleFleet(write_config(directory, CONFIGURATION), datetime.now(UTC))
    anyio.run(_fill_database, directory / "state.db", fleet.now)
    return History(fleet, directory)


async def _fill_database(path: Path, now: datetime) -> None:
    async with SqliteDatabase.open(str(path)) as db:
        await register_offices(
            db, [OfficeSpec(each, each.title()) for each in ("bright-smiles", "hill-street", "left")]
        )
        for number, (day, rows) in enumerate(NIGHTS.items()):
            await _publish_night(db, "bright-smiles", day, rows, now - timedelta(days=3 - number))
        await _publish_night(db, "hill-street", date(2026, 3, 5), OTHER, now)
        await _publish_night(db, "left", date(2026, 3, 5), OTHER, now)
        await register_offices(db, [OfficeSpec(each, each.title()) for each in ("bright-smiles", "hill-street")])


async def _publish_night(
    db: SqliteDatabase,
    office_id: str,
    day: date,
    rows: tuple[Balance, ...],
    at: datetime,
    *,
    reader: Reader = Reader.STATEMENT,
) -> None:
    snapshot = Snapshot(day, at, reader, 1, compute_totals(rows), rows)
    await snapshots.publish(db, office_id, snapshot, make_fresh_state(at), at)
