"""A file that is damaged anywhere is reported as such, and never taken for what was published."""

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from oddaemon.engine.maintenance.jobs import _check_integrity
from oddaemon.store import offices, open_pulls, snapshots
from oddaemon.store.errors import DatabaseUnusable, StoreError
from oddaemon.store.sqlite.connection import SqliteDatabase
from oddaemon.store.sqlite.maintenance.health_check import require_healthy
from oddaemon.store.sqlite.maintenance.integrity import verify
from oddaemon.store.sqlite.upkeep import SqliteUpkeep
from tests.store.configured import register_offices
from tests.store.filled_database import make_filled_database, make_true_snapshot
from tests.store.samples import ELM, HARBOR, NOW, OFFICES, make_balances, make_state

PAGE_BYTES = 4096
HEADER_BYTES = 100
FLIPS_A_PART = 5


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole") / "oddaemon.db"
    anyio.run(make_filled_database, path)
    return path


def read_rows(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """What was published, as far as it can still be read."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        return {
            table: list(connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2, 3"))
            for table in ("balance", "snapshot")
        }


def iterate_parts(size_bytes: int) -> Iterator[tuple[int, int]]:
    yield 0, HEADER_BYTES
    for start in range(0, size_bytes, PAGE_BYTES):
        yield start, start + PAGE_BYTES


def read_content(path: Path) -> bytearray:
    return bytearray(path.read_bytes())


def overwrite(path: Path, damaged: bytes | bytearray) -> Path:
    path.write_bytes(damaged)
    return path


def has_different_amounts(path: Path, whole: Path) -> bool:
    """Whether a balance or a total now reads as another one; what cannot be read at all is none."""
    try:
        found, wanted = read_rows(path), read_rows(whole)
    except (sqlite3.Error, UnicodeDecodeError):
        return False
    # Dates, instants and the reader of a snapshot are not covered by any sum, nor how long it took and when it was due.
    texts, pull_columns = slice(2, 6), -2
    return found["balance"] != wanted["balance"] or any(
        (*one[: texts.start], *one[texts.stop + 1 : pull_columns])
        != (*other[: texts.start], *other[texts.stop + 1 : pull_columns])
        for one, other in zip(found["snapshot"], wanted["snapshot"], strict=False)
    )


def is_found_by_verify(path: Path) -> bool:
    try:
        return bool(verify(path).problems)
    except StoreError:
        return True


async def use_everything(path: Path) -> None:
    async with SqliteDatabase.open(str(path)) as database:
        await register_offices(database, OFFICES)
        for row in await offices.list_all(database):
            await snapshots.list_latest(database, row.id, limit=9)
            await snapshots.load_balances(database, row.id)
            await snapshots.load_balances(database, row.id, 2)
        await open_pulls.load(database, HARBOR)
        await snapshots.publish(database, ELM, make_true_snapshot(make_balances(31), 4), make_state(), NOW)


async def test_a_flipped_bit_anywhere_is_explained_or_harmless(whole: Path, path: Path) -> None:
    draw = random.Random(8)
    sound = read_content(whole)
    for start, end in iterate_parts(len(sound)):
        for _ in range(FLIPS_A_PART):
            damaged = bytearray(sound)
            damaged[draw.randrange(start, end)] ^= 1 << draw.randrange(8)
            overwrite(path, damaged)
            assert is_found_by_verify(path) or not has_different_amounts(path, whole)
            # Whatever else is raised would be taken for an error of the program.
            try:
                await use_everything(path)
            except StoreError as error:
                assert error.advice  # noqa: PT017 - harmless flips raise nothing
            for left in ("-wal", "-shm"):
                path.with_name(path.name + left).unlink(missing_ok=True)


@pytest.mark.parametrize("eighths", range(8))
async def test_a_file_cut_off_anywhere_is_refused_with_advice(whole: Path, path: Path, eighths: int) -> None:
    sound = read_content(whole)
    pages = len(sound) // PAGE_BYTES * eighths // 8
    overwrite(path, sound[: pages * PAGE_BYTES + (17 if pages else 60)])
    for way in (SqliteDatabase.open, SqliteDatabase.open_for_reading):
        with pytest.raises(DatabaseUnusable) as caught:
            async with way(str(path)):
                pass
        assert not caught.value.is_transient
        assert caught.value.advice
    assert is_found_by_verify(path)


async def test_a_file_cut_off_while_it_is_open_is_noticed_without_reading_it(database: SqliteDatabase) -> None:
    await database.execute_one("PRAGMA wal_checkpoint(TRUNCATE)")
    await require_healthy(database)
    with database.path.open("r+b") as file:
        file.truncate(3 * PAGE_BYTES)
    with pytest.raises(DatabaseUnusable, match="damaged") as caught:
        await require_healthy(database)
    assert not caught.value.is_transient


async def test_a_file_that_another_program_made_smaller_is_sound(database: SqliteDatabase) -> None:
    await snapshots.publish(database, ELM, make_true_snapshot(make_balances(2000), 4), make_state(), NOW)
    await database.execute_one("DELETE FROM balance")
    await database.execute_one("PRAGMA wal_checkpoint(TRUNCATE)")
    await require_healthy(database)
    before = get_size(database.path)
    await database.execute_one("VACUUM")
    await database.execute_one("PRAGMA wal_checkpoint(TRUNCATE)")
    assert get_size(database.path) < before
    await require_healthy(database)


async def test_what_the_integrity_check_finds_makes_the_daemon_unwell(database: SqliteDatabase) -> None:
    incidents: list[StoreError] = []
    check = SqliteUpkeep(database).jobs["integrity_check"]
    assert await _check_integrity(check, incidents.append) == "The database is intact."
    assert incidents == []
    await database.execute_one("PRAGMA wal_checkpoint(TRUNCATE)")
    ((page,),) = await database.execute_one("SELECT rootpage FROM sqlite_master WHERE name = 'balance_current'")
    with database.path.open("r+b") as file:
        file.seek((page - 1) * PAGE_BYTES)
        file.write(b"\xff" * PAGE_BYTES)
    with pytest.raises(DatabaseUnusable, match="it is damaged"):
        await _check_integrity(check, incidents.append)
    assert [error.is_transient for error in incidents] == [False]


def get_size(path: Path) -> int:
    return path.stat().st_size


@pytest.mark.parametrize("overwritten", [b"", b"\0" * 49_152, b"Dear diary, " * 4096])
async def test_what_is_no_database_any_more_is_not_written_to(path: Path, overwritten: bytes) -> None:
    overwrite(path, overwritten)
    if overwritten.strip(b"\0"):
        with pytest.raises(DatabaseUnusable, match="is not a SQLite database") as caught:
            async with SqliteDatabase.open(str(path)):
                pass
        assert not caught.value.is_transient
        assert read_content(path) == overwritten
