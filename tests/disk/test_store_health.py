"""A daemon whose database cannot be used: it says so, stays up, loses nothing, and goes on by itself where it can."""

from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from oddaemon.core.model import Condition, Owner
from oddaemon.engine.monitoring.store_health import RETRY_SECONDS, SLOW_SECONDS
from oddaemon.store.errors import DatabaseNewer, StoreError
from oddaemon.store.sqlite.connection import SqliteDatabase
from oddaemon.store.sqlite.location import parse_database_path
from oddaemon.store.sqlite.maintenance.integrity import verify
from tests.disk.test_full_disk import fill_up
from tests.disk.test_locked_and_slow import locked
from tests.engine.night import SMALL, after, night, office_settings
from tests.engine.world import World


@pytest.fixture
def anyio_backend(virtual_time: tuple[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    return virtual_time


def path_of(world: World) -> Path:
    return parse_database_path(world.settings.state.database)


async def asked(world: World, path: str) -> tuple[int, str]:
    """What the daemon's listener answers."""
    transport = httpx.ASGITransport(world.daemon.create_web_app())
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        answer = await client.get(path)
    return answer.status_code, answer.text


async def assert_unwell(world: World, *said: str) -> None:
    """Not ready, with these words; alive and measured all the same."""
    status, text = await asked(world, "/-/ready")
    assert status == 503
    assert all(words in text for words in said), text
    assert (await asked(world, "/-/healthy"))[0] == 200
    status, text = await asked(world, "/metrics")
    assert status == 200
    assert "oddaemon_store_healthy 0.0" in text
    assert "oddaemon_ready 0.0" in text


async def assert_well(world: World) -> None:
    assert await asked(world, "/-/ready") == (200, "Ready.\n")
    _, text = await asked(world, "/metrics")
    assert "oddaemon_store_healthy 1.0" in text
    assert "oddaemon_ready 1.0" in text


async def until_unwell(world: World) -> None:
    await world.until(lambda: world.daemon.health.incident is not None)


async def until_well(world: World) -> None:
    await world.until(lambda: world.daemon.readiness.ready)


@asynccontextmanager
async def refusing(world: World) -> AsyncIterator[None]:
    """The disk is read-only for the length of the block."""
    await world.database.execute_one("PRAGMA query_only = ON")
    yield
    await world.database.execute_one("PRAGMA query_only = OFF")


async def test_a_daemon_says_that_its_disk_is_read_only_and_when_it_is_over(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.until_published(1)
        await assert_well(world)
        async with refusing(world):
            await until_unwell(world)
            await assert_unwell(world, "it cannot be written.", "remount the disk for writing", "Since 2026-03-03T")
        await until_well(world)
        await assert_well(world)
        (failed,), (recovered,) = world.events("store_failed"), world.events("store_recovered")
        assert (failed["level"], failed["transient"]) == ("error", True)
        assert recovered["ready"]
        assert recovered["seconds"] > 0
        await world.until_published(2)


async def test_it_recovers_although_no_office_writes(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL], [office_settings(enabled=False)]) as world:
        await world.until_is(Condition.PAUSED)
        async with refusing(world):
            with pytest.raises(StoreError, match="it cannot be written"):
                await world.daemon.apply(world.settings)
            await assert_unwell(world, "it cannot be written")
            await anyio.sleep(3600)
        await anyio.sleep(2 * RETRY_SECONDS)
        await assert_well(world)
        assert len(world.events("store_failed")) == 1


async def test_a_disk_that_is_slow_is_told_once_for_its_slowest_write(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.until_published(1)
        world.database.slowest_write_seconds = SLOW_SECONDS + 1.5
        await anyio.sleep(3600)
        assert [line["seconds"] for line in world.events("store_slow")] == [3.5]
        await assert_well(world)


async def test_a_full_disk_in_the_middle_of_a_publish_costs_nothing_but_time(small_disk: Path) -> None:
    async with night(small_disk, [SMALL]) as world:
        await world.until_published(1)
        former = await world.balances()
        filler = fill_up(small_disk, 0)
        await until_unwell(world)
        await world.until_is(Condition.UNREACHABLE)
        assert world.explains(Condition.UNREACHABLE, Owner.US, "could not be stored", "the disk is full")
        await assert_unwell(world, "the disk is full.", "Free some space")
        assert await world.balances() == former
        filler.unlink()
        await until_well(world)
        await world.until_published(2)
        assert world.explains(Condition.FRESH, None, "2026-03-03")
        assert verify(path_of(world)).problems == []


async def test_a_full_disk_is_told_once_and_not_called_over_by_every_small_write(small_disk: Path) -> None:
    async with night(small_disk, [SMALL]) as world:
        await world.until_published(1)
        filler = fill_up(small_disk, 0)
        await world.until_is(Condition.UNREACHABLE)
        await anyio.sleep(3600)
        assert len(world.events("store_failed")) == 1
        assert world.events("store_recovered") == []
        filler.unlink()
        await world.until_published(2)


async def test_a_lock_is_told_and_over_when_it_is_released(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.until_published(1)
        await world.database.execute_one("PRAGMA busy_timeout = 1")
        with locked(path_of(world)):
            await until_unwell(world)
            await assert_unwell(world, "another program keeps it locked.", "Close whatever else")
            await world.until_is(Condition.UNREACHABLE)
        await world.until_published(2)
        await until_well(world)
        assert await world.is_true()


def delete(path: Path) -> None:
    path.unlink()


def move_away(path: Path) -> None:
    path.rename(path.with_name("elsewhere.db"))


@pytest.mark.parametrize("vanish", [delete, move_away])
async def test_a_database_that_vanished_is_noticed_and_made_anew_by_a_restart(
    tmp_path: Path, vanish: Callable[[Path], None]
) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.until_published(1)
        vanish(path_of(world))
        await until_unwell(world)
        await assert_unwell(world, "was deleted or moved away", "Restart the daemon", "Only a restart ends this.")
        await world.until_time(after(hours=3))
        assert len(world.published()) == 1
        assert world.explains(Condition.UNREACHABLE, Owner.US, "was deleted or moved away")
        await world.drain()
        await world.start()
        assert world.events("store_opened")[-1]["created"]
        await world.until_published(2)
        assert await world.is_true()


async def test_a_damaged_database_stays_unwell_until_it_is_restored(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.until_published(1)
        await world.database.execute_one("UPDATE balance SET bal_total = x'00'")
        await world.until_is(Condition.UNREACHABLE)
        await assert_unwell(world, "the file is damaged", "restore the last backup", "Only a restart ends this.")
        assert len(world.published()) == 1
        await anyio.sleep(3600)
        assert len(world.events("store_failed")) == 1
        await world.database.execute_one("DELETE FROM balance")
        await world.database.execute_one("DELETE FROM snapshot")


async def attempted(world: World) -> None:
    """Start a daemon, which must have tried to open its database in vain, and go on."""
    world.tasks.start_soon(world.start)
    await anyio.sleep(0.5)
    assert world.is_running
    assert world.daemon.health.incident is not None


@asynccontextmanager
async def starting(world: World) -> AsyncIterator[None]:
    """A daemon that cannot open its database yet; it must be ready after the block."""
    await attempted(world)
    yield
    await until_well(world)
    await world.until_published(1)
    assert await world.is_true()


async def test_a_start_waits_for_a_lock_to_be_released(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oddaemon.store.sqlite.connection.BUSY_TIMEOUT_SECONDS", 0.01)
    async with night(tmp_path, [SMALL], running=False) as world:
        async with SqliteDatabase.open(str(path_of(world))):
            pass
        with ExitStack() as lock:
            lock.enter_context(locked(path_of(world)))
            async with starting(world):
                await assert_unwell(world, "another program keeps it locked")
                lock.close()
        assert world.events("store_recovered")[0]["ready"] is False


async def test_a_start_waits_for_room(small_disk: Path) -> None:
    async with night(small_disk, [SMALL], running=False) as world:
        filler = fill_up(small_disk, 0)
        async with starting(world):
            await assert_unwell(world, "disk")
            filler.unlink()


async def test_a_start_waits_for_room_for_the_list_of_offices(small_disk: Path) -> None:
    async with night(small_disk, [SMALL], running=False) as world:
        async with SqliteDatabase.open(str(path_of(world))):
            pass
        filler = fill_up(small_disk, 48 * 1024)
        async with starting(world):
            await assert_unwell(world, "the disk is full")
            filler.unlink()


async def test_a_start_waits_for_a_disk_to_be_mounted_for_writing(
    small_disk: Path, remount: Callable[[str], None]
) -> None:
    async with night(small_disk, [SMALL], running=False) as world:
        remount("ro")
        async with starting(world):
            await assert_unwell(world, "mounted read-only", "Remount the disk")
            await anyio.sleep(3600)
            remount("rw")
        assert len(world.events("store_failed")) == 1


async def test_a_daemon_that_waits_for_its_database_can_be_told_to_stop(
    small_disk: Path, remount: Callable[[str], None]
) -> None:
    async with night(small_disk, [SMALL], running=False) as world:
        async with SqliteDatabase.open(str(path_of(world))):
            pass
        remount("ro")
        await attempted(world)
        await world.drain()
        assert world.lines[-1]["event"] == "daemon_stopped"
        assert not world.daemon.readiness.ready
        remount("rw")


async def test_a_start_does_not_wait_for_what_does_not_pass(tmp_path: Path) -> None:
    async def start() -> None:
        async with night(tmp_path, [SMALL], running=False) as world:
            async with SqliteDatabase.open(str(path_of(world))) as database:
                await database.execute_one("UPDATE alembic_version SET version_num = '9999'")
            await world.start()

    with pytest.raises(ExceptionGroup) as caught:
        await start()
    assert caught.group_contains(DatabaseNewer)
