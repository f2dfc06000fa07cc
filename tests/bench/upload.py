"""How much memory an uploaded file takes: 50 MB of CSV, proved as a past day is and stored."""

import resource
import subprocess
import sys
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import anyio
import anyio.to_thread

from oddaemon.core.backfill.csv_upload import parse_balances
from oddaemon.core.backfill.job import BackfillMethod, BackfillResult, BackfillTarget
from oddaemon.core.model import OfficeSpec
from oddaemon.core.snapshot.verify import compute_totals, find_difference
from oddaemon.store import backfill_jobs, backfilled_days
from oddaemon.store.sqlite.connection import SqliteDatabase
from tests.store.configured import register_offices

OFFICE = OfficeSpec("bench", "Bench")
DAY = BackfillTarget(OFFICE.id, date(2026, 1, 31), BackfillMethod.SFTP, "SELECT")
NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
FILE_BYTES = 50_000_000
HEADER = "PatNum,Bal_0_30,Bal_31_60,Bal_61_90,BalOver90,InsEst,BalTotal\n"
GOAL = "< 200 MiB"


def measure() -> list[tuple[str, str, str]]:
    """Rows of the table: what, figure, goal."""
    with TemporaryDirectory() as directory:
        path = Path(directory) / "balances.csv"
        rows = write_file(path)
        # A process of its own, because its peak counts.
        done = subprocess.run(
            [sys.executable, "-m", "tests.bench.upload", str(path)], check=True, capture_output=True, text=True
        )
    mebibytes, seconds = done.stdout.split()
    return [
        (f"memory of an upload of 50 MB ({rows:,} rows)", f"{mebibytes} MiB", GOAL),
        ("the same, to read, prove and store", f"{seconds} s", ""),
    ]


def write_file(path: Path) -> int:
    """Write a file of guarantors with few and small balances, the shortest rows that there are; the number of rows."""
    rows = 0
    with path.open("w") as file:
        file.write(HEADER)
        while file.tell() < FILE_BYTES:
            file.writelines(f"{pat_num},{pat_num % 97}.5,0,0,12,0,100.25\n" for pat_num in range(rows, rows + 10_000))
            rows += 10_000
    return rows


async def _store(path: Path) -> None:
    async with SqliteDatabase.open(str(path.with_name("bench.db"))) as database:
        await register_offices(database, [OFFICE])
        job = await backfill_jobs.get_or_create(database, DAY, NOW)
        before, began = _read_peak_mebibytes(), perf_counter()
        with path.open() as file:
            balances = await anyio.to_thread.run_sync(partial(parse_balances, file, rows_max=FILE_BYTES))
        totals = compute_totals(balances.values())
        assert find_difference(balances.values(), totals) is None
        assert await backfilled_days.publish(database, job, BackfillResult(balances, totals, 1), NOW)
        sys.stdout.write(f"{_read_peak_mebibytes() - before:.0f} {perf_counter() - began:.0f}\n")


def _read_peak_mebibytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    anyio.run(_store, Path(sys.argv[1]))
