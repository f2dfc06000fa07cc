"""Publishing a night in a file and on a server, side by side: make bench ONLY=databases."""

import random
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
from tests.bench.harness.figure import Measurement, Skip, Step, make_figure
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

Times = tuple[float, float]
"""Milliseconds by the clock, and of this process's CPU."""


def measure() -> Measurement:
    """First nights and later nights; SQLite's and the server's one after the other."""
    with tempfile.TemporaryDirectory() as directory:
        yield Step("SQLite")
        yield from _describe("SQLite", (None, None), *anyio.run(_measure, str(Path(directory, "state.db"))))
    if missing := find_missing_requirement():
        yield Skip("PostgreSQL", missing)
        return
    with running_server(settings=DURABLE) as server:
        yield Step("PostgreSQL")
        yield from _describe("PostgreSQL", (120, 60), *anyio.run(_measure, server.make_dsn()))


def _describe(
    name: str, goals: tuple[float | None, float | None], first: list[Times], later: list[Times]
) -> Measurement:
    nights = (f"first night of {GUARANTORS:,} guarantors", f"a night with {CHANGED_SHARE:.0%} changed")
    for night, times, goal in zip(nights, (first, later), goals, strict=True):
        wall, cpu = zip(*times, strict=True)
        yield make_figure(f"{name}: {night}", wall, "ms", goal=goal)
        yield make_figure(f"{name}: {night}, CPU", cpu, "ms")


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
