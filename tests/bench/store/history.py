"""A year of nights of one office: how large it gets, and how fast any of them is read again."""

import random
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import anyio

from oddaemon.core.model import Balance, Condition, OfficeSpec, Reader, Snapshot, Status
from oddaemon.core.office.state import Intent, OfficeState
from oddaemon.core.snapshot.verify import compute_totals
from oddaemon.store import retention, snapshots
from oddaemon.store.opening import open_history
from oddaemon.store.sqlite.connection import SqliteDatabase
from oddaemon.store.sqlite.maintenance import vacuum
from tests.bench.harness.figure import Measurement, Step, make_figure
from tests.store.configured import register_offices

NIGHTS = 365
GUARANTORS = 4_000
CHANGING = 0.08
"""Of them, each night."""
LARGE, LARGE_NIGHTS = 8_000, 7
READ_AGAIN = 40
DAY_ONE = date(2025, 3, 1)
NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
OFFICE = OfficeSpec("bench", "Bench")
T = TypeVar("T")
STATE = OfficeState(Intent.PROBE, Status(Condition.FRESH, NOW, "Aging is complete."), NOW)


@dataclass(frozen=True)
class _Year:
    """Seconds, except for the size."""

    size_bytes: int
    publishing: list[float]
    reading_by_daemon: list[float]
    reading_by_command: list[float]
    changes: list[float]
    history: float
    pruning: float
    longest_write: float


def measure() -> Measurement:
    """A year is published first; then the parts of it are read."""
    with tempfile.TemporaryDirectory() as directory:
        yield Step(f"publishing {NIGHTS} nights")
        year = anyio.run(_measure_year, Path(directory))
        yield Step(f"publishing {LARGE:,} guarantors")
        large = anyio.run(_time_large_publish, Path(directory))
    what = f"{NIGHTS} nights, {GUARANTORS:,} guarantors, {CHANGING:.0%} changing"
    yield make_figure(what, year.size_bytes / 1e6, "MB", goal=25)
    yield make_figure("publishing a night", _to_milliseconds(year.publishing), "ms")
    yield make_figure("any night as the daemon reads it (worst)", 1000 * max(year.reading_by_daemon), "ms", goal=200)
    yield make_figure("any night as a command reads it (worst)", 1000 * max(year.reading_by_command), "ms", goal=200)
    yield make_figure("changes of a night", _to_milliseconds(year.changes), "ms")
    yield make_figure("history of all nights, with roll rates", year.history, "s")
    yield make_figure("pruning half a year", year.pruning, "s")
    yield make_figure("pruning half a year, longest write", 1000 * year.longest_write, "ms")
    yield make_figure(f"publish and diff of {LARGE:,}", _to_milliseconds(large), "ms", goal=150)


def _to_milliseconds(seconds: list[float]) -> list[float]:
    return [1000 * each for each in seconds]


async def _measure_year(directory: Path) -> _Year:
    path = directory / "year.db"
    async with SqliteDatabase.open(str(path)) as database:
        await register_offices(database, [OFFICE])
        publishing = await _publish_year(database)
        await vacuum.checkpoint_wal(database)
        size_bytes = path.stat().st_size
        ids = [row.id for row in await snapshots.list_latest(database, OFFICE.id, limit=NIGHTS)]
        reading_by_daemon = [await _time_reading(database, each) for each in _pick_some(ids)]
        reading_by_command, history, changes = _time_history_reader(path)
        pruning, longest_write = await _time_pruning(database)
    return _Year(
        size_bytes, publishing, reading_by_daemon, reading_by_command, changes, history, pruning, longest_write
    )


async def _publish_year(database: SqliteDatabase) -> list[float]:
    draw = random.Random(1)
    balances = {row.pat_num: row for row in _draw_balances(draw, GUARANTORS)}
    seconds = []
    for night in range(NIGHTS):
        for pat_num in draw.sample(sorted(balances), int(GUARANTORS * CHANGING)):
            balances[pat_num] = _redraw_balance(draw, balances[pat_num])
        seconds.append(await _publish(database, sorted(balances.values()), DAY_ONE + timedelta(days=night)))
    return seconds


async def _publish(database: SqliteDatabase, rows: list[Balance], day: date) -> float:
    snapshot = Snapshot(day, NOW, Reader.STATEMENT, 1, compute_totals(rows), rows)
    began = time.perf_counter()
    await snapshots.publish(database, OFFICE.id, snapshot, STATE, NOW)
    return time.perf_counter() - began


async def _time_large_publish(directory: Path) -> list[float]:
    draw = random.Random(2)
    rows, seconds = _draw_balances(draw, LARGE), []
    async with SqliteDatabase.open(str(directory / "large.db")) as database:
        await register_offices(database, [OFFICE])
        for night in range(LARGE_NIGHTS + 1):
            seconds.append(await _publish(database, rows, DAY_ONE + timedelta(days=night)))
            rows = [_redraw_balance(draw, row) if draw.random() < CHANGING else row for row in rows]
    return seconds[1:]  # the first one is the whole office


async def _time_reading(database: SqliteDatabase, snapshot_id: int) -> float:
    began = time.perf_counter()
    assert len(await snapshots.load_balances(database, OFFICE.id, snapshot_id)) == GUARANTORS
    return time.perf_counter() - began


def _time_history_reader(path: Path) -> tuple[list[float], float, list[float]]:
    with open_history(str(path)) as reader:
        nights = reader.list_snapshots(OFFICE.id)
        reading = [
            _time_call(lambda night=night: list(reader.read_balances(night)))  # type: ignore[misc]  # bound at once
            for night in _pick_some(nights)
        ]
        pairs = _pick_some(list(pairwise(nights)))
        changing = [_time_call(lambda pair=pair: list(reader.read_changes(*pair))) for pair in pairs]  # type: ignore[misc]  # the same
        return reading, _time_call(lambda: reader.compute_flows(nights[0], nights[-1])), changing


async def _time_pruning(database: SqliteDatabase) -> tuple[float, float]:
    database.slowest_write_seconds = 0.0
    half = datetime.combine(DAY_ONE + timedelta(days=NIGHTS // 2), datetime.min.time(), UTC)
    began = time.perf_counter()
    await retention.prune(database, half)
    return time.perf_counter() - began, database.slowest_write_seconds


def _time_call(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _pick_some(values: list[T]) -> list[T]:
    return [values[0], values[-1], *random.Random(3).sample(values, READ_AGAIN)]


def _draw_balances(draw: random.Random, guarantors: int) -> list[Balance]:
    return [
        _redraw_balance(draw, Balance(1_000 + 7 * index, index % 3, 0, 0, 0, 0, 0, 0, 0)) for index in range(guarantors)
    ]


def _redraw_balance(draw: random.Random, row: Balance) -> Balance:
    first, second, third, fourth = (draw.choice([0, draw.randrange(1, 250_000)]) for _ in range(4))
    insurance, total = draw.randrange(50_000), first + second + third + fourth
    return Balance(row.pat_num, row.clinic_num, total - insurance, first, second, third, fourth, insurance, total)
