"""A million balances as files: how fast, and in how much memory, beside what a plain script does.

Each is run in a process of its own, so that its memory is its own:
`python -m tests.bench.sinks.export ours csv DB FILE`.
"""

import csv
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import anyio

from oddaemon.core.model import Balance, ControlTotals, OfficeSpec
from oddaemon.sinks.formats.columns import BALANCE_COLUMNS
from oddaemon.sinks.formats.export import FileFormat, Layout, export
from oddaemon.store.opening import open_history
from oddaemon.store.sqlite.connection import SqliteDatabase
from tests.bench.harness.figure import Better, Measurement, Step, divide_pairwise, make_figure
from tests.bench.harness.rounds import interleave
from tests.store.configured import register_offices

FEW, MANY = 100_000, 1_000_000
ROUNDS = 3
OFFICE = OfficeSpec("bench", "Bench")
NAMES = Balance._fields
FLAT_MB = 20
"""Memory that a tenth of the rows may need less."""
_FILL = f"""
    WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < ?)
    INSERT INTO balance (office, valid_from, {", ".join(NAMES)})
    SELECT 1, 1, n, n % 3, n % 99991, n % 7919, n % 3571 * 2, n % 1009, n % 503 * 3, n % 89, n % 99991 + 7 FROM number
"""


def measure() -> Measurement:
    """Ours and the script's by turns; ndjson has no plain script."""
    with tempfile.TemporaryDirectory() as directory:
        few, many = Path(directory, "few.db"), Path(directory, "many.db")
        yield Step(f"making {MANY:,} balances")
        for path, count in ((few, FEW), (many, MANY)):
            _fill_database(path, count)
        for form in ("csv", "parquet", "ndjson"):
            yield from _measure_format(form, few, many, Path(directory))


def _measure_format(form: str, few: Path, many: Path, directory: Path) -> Measurement:
    who = ("ours", "plain") if form != "ndjson" else ("ours",)
    variants = {f"{each}, {form}": partial(_run, each, form, many, directory) for each in who}
    found = yield from interleave(variants, ROUNDS)
    _, little_mb = _run("ours", form, few, directory)
    (seconds, megabytes), *plain = [tuple(zip(*each, strict=True)) for each in found.values()]
    what = f"{MANY:,} rows to {form}"
    yield make_figure(what, seconds, "s")
    for plain_seconds, plain_mb in plain:
        yield make_figure(f"{what}, plain script", plain_seconds, "s", Better.NEITHER)
        ratio = divide_pairwise(plain_seconds, seconds)
        yield make_figure(f"{what}, as a multiple of the script", ratio, "x", Better.MORE)
        yield make_figure(f"{what}, memory of the plain script", plain_mb, "MiB", Better.NEITHER)
    yield make_figure(f"{what}, memory", megabytes, "MiB")
    more = [each - little_mb for each in megabytes]
    yield make_figure(f"{what}, memory beside a tenth of the rows", more, "MiB", goal=FLAT_MB)


def _run(who: str, form: str, database: Path, directory: Path) -> tuple[float, float]:
    """Seconds, and megabytes at the most."""
    target = directory / f"{who}.{form}"
    command = [sys.executable, "-m", "tests.bench.sinks.export", who, form, str(database), str(target)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds, megabytes = done.stdout.split()
    return float(seconds), float(megabytes)


def _export_with_oddaemon(form: str, database: Path, target: Path) -> None:
    with open_history(str(database)) as reader:
        night = reader.list_snapshots(OFFICE.id)[-1]
        export(target, Layout(FileFormat(form), BALANCE_COLUMNS), reader.read_balances(night))


def _export_with_script(form: str, database: Path, target: Path) -> None:
    """A script of ten minutes: everything at once, amounts as floats, no manifest, no proof."""
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute(f"SELECT {', '.join(NAMES)} FROM balance WHERE valid_to IS NULL").fetchall()
    amounts = [(*row[:2], *(cents / 100 for cents in row[2:])) for row in rows]
    if form == "csv":
        with target.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(NAMES)
            writer.writerows(amounts)
    else:
        import pyarrow as pa  # noqa: PLC0415 - only where it is measured
        from pyarrow import parquet  # noqa: PLC0415 - the same

        columns = [pa.array(values) for values in zip(*amounts, strict=True)]
        parquet.write_table(pa.table(columns, names=list(NAMES)), target)


def _fill_database(path: Path, count: int) -> None:
    anyio.run(_enroll, path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(_FILL, (count,))
        names = ", ".join(ControlTotals._fields[1:-1])
        sums = ", ".join(f"sum({name})" for name in ControlTotals._fields[1:-1])
        connection.execute(
            "INSERT INTO snapshot (id, office, aging_date, observed_at, published_at, reader, requests, guarantors, "
            f"{names}, checksum, new_guarantors, changed_guarantors, cleared_guarantors) SELECT 1, 1, '2026-03-02', "
            "'2026-03-02T08:00:00.000000Z', '2026-03-02T08:00:00.000000Z', 'statement', 1, count(*), "
            f"{sums}, 0, count(*), 0, 0 FROM balance"
        )
        connection.commit()


async def _enroll(path: Path) -> None:
    async with SqliteDatabase.open(str(path)) as database:
        await register_offices(database, [OFFICE])


def main(who: str, form: str, database: str, target: str) -> None:
    """Export once; print the seconds and the megabytes that it took."""
    work: Callable[[str, Path, Path], None] = _export_with_oddaemon if who == "ours" else _export_with_script
    began = time.perf_counter()
    work(form, Path(database), Path(target))
    seconds = time.perf_counter() - began
    print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)  # noqa: T201 - read by the bench


if __name__ == "__main__":
    main(*sys.argv[1:])
