"""Publishing a night in a file and on a server, side by side: python -m tests.bench.store.databases."""

import random
import statistics
import sys
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import anyio

from oddaemon.core.model import Balance, OfficeSpec, Reader, Snapshot
from oddaemon.core.office.machine import make_initial_state
from oddaemon.core.snapshot.verify import compute_totals
from oddaemon.store import snapshots
from oddaemon.store.database import Database
from oddaemon.store.opening import open_database
from tests.postgres_server import find_missing_requirement, running_server
from tests.store.configured import register_offices

GUARANTORS = 4_000
CHANGED_SHARE = 0.08
OFFICES = 9
"""Each has a first night."""
NIGHTS = 40
"""Of the first office, after its first."""
DURABLE = {"fsync": "on", "full_page_writes": "on"}
NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)

Row = tuple[str, str, str]
Times = tuple[float, float]
"""Milliseconds by the clock, and of this process's CPU."""


def measure() -> list[Row]:
    """Rows of the table: what, figure, goal."""
    with tempfile.TemporaryDirectory() as directory:
        rows = _make_rows("SQLite", ("", ""), *anyio.run(_measure, str(Path(directory, "state.db"))))
    if find_missing_requirement():
        return rows
    with running_server(settings=DURABLE) as server:
        goals = ("< 120 ms", "< 60 ms")
        return rows + _make_rows("PostgreSQL", goals, *anyio.run(_measure, server.make_dsn()))


def _make_rows(name: str, goals: tuple[str, str], first: list[Times], later: list[Times]) -> list[Row]:
    what = (f"first night of {GUARANTORS:,} guarantors", f"a night with {CHANGED_SHARE:.0%} changed")
    return [
        (f"{name}: {night}", f"{wall:.0f} ms, {cpu:.0f} ms of CPU", goal)
        for night, times, goal in zip(what, (first, later), goals, strict=True)
        for wall, cpu in [[statistics.median(column) for column in zip(*times, strict=True)]]
    ]


async def _measure(url: str) -> tuple[list[Times], list[Times]]:
    async with open_database(url) as database:
        offices = [f"office-{number}" for number in range(OFFICES)]
        await register_offices(database, [OfficeSpec(each, each) for each in offices])
        draw = random.Random(1)
        rows = [
            Balance(pat_num, 0, *(draw.randrange(100_000) for _ in range(7))) for pat_num in range(1, 5 * GUARANTORS, 5)
        ]
        first = [await _publish(database, office, rows, 0) for office in offices]
        later = []
        for night in range(1, NIGHTS + 1):
            for index in draw.sample(range(GUARANTORS), int(GUARANTORS * CHANGED_SHARE)):
                rows[index] = rows[index]._replace(bal_total=draw.randrange(100_000))
            later.append(await _publish(database, offices[0], rows, night))
        return first[1:], later[1:]


async def _publish(database: Database, office: str, rows: list[Balance], night: int) -> Times:
    day = date(2026, 3, 1) + timedelta(days=night)
    snapshot = Snapshot(day, NOW, Reader.STATEMENT, 1, compute_totals(rows), list(rows))
    state, began, cpu = make_initial_state(NOW), time.perf_counter(), time.process_time()
    await snapshots.publish(database, office, snapshot, state, NOW, sinks=["lake"])
    return 1000 * (time.perf_counter() - began), 1000 * (time.process_time() - cpu)


if __name__ == "__main__":
    for each in measure():
        sys.stdout.write(" | ".join(each) + "\n")
