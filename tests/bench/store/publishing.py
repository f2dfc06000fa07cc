"""Publishing and comparing an office in SQLite, with and without an outbox."""

import random
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import anyio

from oddaemon.core.model import OfficeSpec
from oddaemon.core.office.machine import make_initial_state
from oddaemon.store import snapshots
from oddaemon.store.sqlite.connection import SqliteDatabase
from tests.bench.harness.figure import Measurement, Step, make_figure
from tests.bench.sinks.sample import make_balances, make_snapshot
from tests.store.configured import register_offices

GUARANTORS = 8_000
CHANGED_SHARE = 0.08
ROUNDS = 15


def measure() -> Measurement:
    """Two databases in turn, one of which has a sink."""
    yield Step(f"{ROUNDS} nights")
    times = anyio.run(_time_publishing)
    for sinks, milliseconds in times.items():
        what = f"publish and diff of {GUARANTORS:,} guarantors, 8 % changed, {sinks}"
        yield make_figure(what, milliseconds, "ms", goal=150)


async def _time_publishing() -> dict[str, list[float]]:
    """Milliseconds of every night but the first, which is the whole office."""
    rng, rows = random.Random(1), list(make_balances(GUARANTORS))
    sinks, took = {"no sink": [], "one sink": ["lake"]}, dict[str, list[float]]()
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory)
        async with (
            SqliteDatabase.open(str(path / "none.db")) as without,
            SqliteDatabase.open(str(path / "one.db")) as with_one,
        ):
            databases = dict(zip(sinks, (without, with_one), strict=True))
            for database in databases.values():
                await register_offices(database, [OfficeSpec("one", "One")])
            for _ in range(ROUNDS + 1):
                for index in rng.sample(range(GUARANTORS), int(GUARANTORS * CHANGED_SHARE)):
                    rows[index] = rows[index]._replace(bal_total=rng.randrange(1_000_000))
                for name, database in databases.items():
                    started, now = time.perf_counter(), datetime.now(UTC)
                    state = make_initial_state(now)
                    await snapshots.publish(database, "one", make_snapshot(rows), state, now, sinks=sinks[name])
                    took.setdefault(name, []).append(1000 * (time.perf_counter() - started))
    return {name: each[1:] for name, each in took.items()}
