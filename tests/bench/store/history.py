"""A year of nights of one office: how large it gets, and how fast any of them is read again."""

import random
import statistics
import tempfile
import time
from collections.abc import Callable
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
from tests.store.configured import register_offices

NIGHTS = 365
GUARANTORS = 4_000
CHANGING = 0.08
"""Of them, each night."""
LARGE = 8_000
READ_AGAIN = 40
DAY_ONE = date(2025, 3, 1)
NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
OFFICE = OfficeSpec("bench", "Bench")
T = TypeVar("T")
STATE = OfficeState(Intent.PROBE, Status(Condition.FRESH, NOW, "Aging is complete."), NOW)


def measure() -> list[tuple[str, str, str]]:
    """Rows of the table: what, figure, goal."""
    with tempfile.TemporaryDirectory() as directory:
        return anyio.run(_measure_year, Path(directory))


async def _measure_year(directory: Path) -> list[tuple[str, str, str]]:
    path = directory / "year.db"
    async with SqliteDatabase.open(str(path)) as database:
        await register_offices(database, [OFFICE])
        publish_seconds = await _publish_year(database)
        await vacuum.checkpoint_wal(database)
        size_bytes = path.stat().st_size
        ids = [row.id for row in await snapshots.list_latest(database, OFFICE.id, limit=NIGHTS)]
        daemon_seconds = [await _time_reading(database, each) for each in _pick_some(ids)]
        command_seconds, history_seconds, changes_seconds = _time_history_reader(path)
        prune_seconds, longest_seconds = await _time_pruning(database)
    return [
        (f"{NIGHTS} nights, {GUARANTORS:,} guarantors, 8 % changing", f"{size_bytes / 1e6:.1f} MB", "< 25 MB"),
        ("any night as the daemon reads it (worst)", f"{max(daemon_seconds) * 1000:.0f} ms", "< 200 ms"),
        ("any night as a command reads it (worst)", f"{max(command_seconds) * 1000:.0f} ms", "< 200 ms"),
        ("changes of a night (worst)", f"{max(changes_seconds) * 1000:.0f} ms", ""),
        ("history of all nights, with roll rates", f"{history_seconds:.1f} s", ""),
        ("publishing a night (median)", f"{statistics.median(publish_seconds) * 1000:.0f} ms", ""),
        ("pruning half a year", f"{prune_seconds:.1f} s, longest write {longest_seconds * 1000:.0f} ms", ""),
        (f"publish and diff of {LARGE:,}", f"{await _time_large_publish(directory) * 1000:.0f} ms", "< 150 ms"),
    ]


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


async def _time_large_publish(directory: Path) -> float:
    draw = random.Random(2)
    rows = _draw_balances(draw, LARGE)
    later = [_redraw_balance(draw, row) if draw.random() < CHANGING else row for row in rows]
    async with SqliteDatabase.open(str(directory / "large.db")) as database:
        await register_offices(database, [OFFICE])
        await _publish(database, rows, DAY_ONE)
        return await _publish(database, later, DAY_ONE + timedelta(days=1))


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
