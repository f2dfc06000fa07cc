"""How much memory the largest things take that others send: uploads, claims of guarantors, responses, preferences."""

import json
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
from oddaemon.core.model import OfficeSpec, Reader
from oddaemon.core.snapshot.verify import compute_totals, find_difference
from oddaemon.opendental.client import ApiError, Limits
from oddaemon.simulator.faults.faults import Altered, Rows
from oddaemon.simulator.virtual_time import make_virtual_loop
from oddaemon.store import backfill_jobs, backfilled_days
from oddaemon.store.sqlite.connection import SqliteDatabase
from tests.bench.harness.figure import Measurement, Step, make_figure
from tests.engine.night import SMALL, make_office_settings, night, schedule_fault, time_after_start
from tests.opendental.client_harness import ScriptedServer, make_response, open_session
from tests.store.configured import register_offices

OFFICE = OfficeSpec("bench", "Bench")
DAY = BackfillTarget(OFFICE.id, date(2026, 1, 31), BackfillMethod.SFTP, "SELECT")
NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
FILE_BYTES = 50_000_000
HEADER = "PatNum,Bal_0_30,Bal_31_60,Bal_61_90,BalOver90,InsEst,BalTotal\n"
LIMITS = Limits(connect_timeout_seconds=10.0, request_timeout_seconds=65.0, max_response_bytes=67_108_864)
"""The default of `[api] max_response_bytes`."""


def measure() -> Measurement:
    """Each in a process of its own, because its peak counts."""
    with TemporaryDirectory() as directory:
        path = Path(directory) / "balances.csv"
        yield Step("writing the file")
        rows = write_file(path)
        for case, (what, goal) in CASE_GOALS.items():
            yield Step(case)
            done = subprocess.run(
                [sys.executable, "-m", "tests.bench.memory", case, str(path)],
                check=True,
                capture_output=True,
                text=True,
            )
            mebibytes, seconds, stall_milliseconds = map(float, done.stdout.split())
            name = what.format(rows=rows)
            yield make_figure(name, mebibytes, "MiB", goal=goal)
            yield make_figure(f"{name}: time", seconds, "s")
            if case not in IN_VIRTUAL_TIME:
                yield make_figure(f"{name}: largest stall of the event loop", stall_milliseconds, "ms")


def write_file(path: Path) -> int:
    """Write a file of guarantors with few and small balances, the shortest rows that there are; the number of rows."""
    rows = 0
    with path.open("w") as file:
        file.write(HEADER)
        while file.tell() < FILE_BYTES:
            file.writelines(f"{pat_num},{pat_num % 97}.5,0,0,12,0,100.25\n" for pat_num in range(rows, rows + 10_000))
            rows += 10_000
    return rows


async def _store_upload(path: Path) -> None:
    async with SqliteDatabase.open(str(path.with_name("bench.db"))) as database:
        await register_offices(database, [OFFICE])
        job = await backfill_jobs.get_or_create(database, DAY, NOW)
        with path.open() as file:
            balances = await anyio.to_thread.run_sync(partial(parse_balances, file, rows_max=FILE_BYTES))
        totals = compute_totals(balances)
        assert find_difference(compute_totals(balances), totals) is None
        assert await backfilled_days.publish(database, job, BackfillResult(balances, totals, 1), NOW)


async def _live_through_a_claim(path: Path) -> None:
    def claim(rows: Rows) -> Rows:
        return [{**row, "Guarantors": 2**40} if "Guarantors" in row else row for row in rows]

    fault = schedule_fault(Altered("claim", claim), office_ids=frozenset({SMALL.office_id}))
    offices = [make_office_settings(SMALL.office_id, reader=Reader.PAGES)]
    async with night(path.parent, [SMALL], offices, faults=[fault]) as world:
        await world.sleep_until(time_after_start(hours=12))


async def _read_response(body: bytes) -> None:
    async with open_session(ScriptedServer(make_response(body)), limits=LIMITS) as (session, _):
        try:
            await session.query("SELECT 1 AS One", list)
        except ApiError:
            """Refusing it is as good as reading it."""


async def _read_preference(_path: Path) -> None:
    body = json.dumps([{"PrefName": "DateLastAging", "ValueString": "7" * 40_000_000}])
    async with open_session(ScriptedServer(make_response(body)), limits=LIMITS) as (session, _):
        try:
            await session.get_preference("DateLastAging")
        except ApiError:
            """As above."""


async def _read_text(_path: Path) -> None:
    await _read_response(b'[{"One":"' + b"7" * (LIMITS.max_response_bytes - 20) + b'"}]')


async def _read_rows(_path: Path) -> None:
    await _read_response(b"[" + b'{"One":1},' * ((LIMITS.max_response_bytes - 20) // 10) + b'{"One":1}]')


CASES = {
    "upload": _store_upload,
    "claim": _live_through_a_claim,
    "text": _read_text,
    "rows": _read_rows,
    "preference": _read_preference,
}
CASE_GOALS = {
    "upload": ("an upload of 50 MB ({rows:,} rows)", 200),
    "claim": ("an office that claims 2^40 guarantors, for a night", 32),
    "text": ("a response of 64 MB, one long text", 300),
    "rows": ("a response of 64 MB, many small rows", 300),
    "preference": ("a preference of 40 MB", 300),
}
IN_VIRTUAL_TIME = {"claim"}
"""Where a sleep says nothing about the event loop."""


async def _run(case: str, path: Path) -> None:
    stall_seconds = 0.0

    async def watch_loop() -> None:
        nonlocal stall_seconds
        while True:
            slept_at = perf_counter()
            await anyio.sleep(0.001)
            stall_seconds = max(stall_seconds, perf_counter() - slept_at)

    async with anyio.create_task_group() as tasks:
        if case not in IN_VIRTUAL_TIME:
            tasks.start_soon(watch_loop)
        before, began = _read_peak_mebibytes(), perf_counter()
        await CASES[case](path)
        tasks.cancel_scope.cancel()
    took = perf_counter() - began
    sys.stdout.write(f"{_read_peak_mebibytes() - before:.0f} {took:.1f} {stall_seconds * 1000:.0f}\n")


def _read_peak_mebibytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    options = {"loop_factory": make_virtual_loop} if sys.argv[1] in IN_VIRTUAL_TIME else {}
    anyio.run(_run, sys.argv[1], Path(sys.argv[2]), backend_options=options)
