"""A daemon whose database cannot be used: it says so, stays up, loses nothing, and goes on by itself where it can."""

from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import anyio
import httpx
import pytest

from oddaemon.core.failures.failure import FailureKind
from oddaemon.core.model import Condition, Owner
from oddaemon.engine.config.active_config import ReloadTrigger
from oddaemon.engine.monitoring.store_health import RETRY_SECONDS, SLOW_SECONDS
from oddaemon.simulator.virtual_time import make_virtual_loop
from oddaemon.store.errors import DatabaseNewer, StoreError
from oddaemon.store.sqlite.connection import SqliteDatabase
from oddaemon.store.sqlite.location import parse_database_path
from oddaemon.store.sqlite.maintenance.integrity import verify
from tests.disk.test_full_disk import fill_disk_except
from tests.disk.test_locked_and_slow import locked_database
from tests.engine.night import SMALL, make_office_settings, night, time_after_start
from tests.engine.world import World

pytestmark = pytest.mark.event_loop(factory=make_virtual_loop)


def get_database_path(world: World) -> Path:
    return parse_database_path(world.settings.state.database_url.reveal())


async def fetch(world: World, path: str) -> tuple[int, str]:
    """What the daemon's listener answers."""
    transport = httpx.ASGITransport(world.daemon.create_web_app())
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        answer = await client.get(path)
    return answer.status_code, answer.text


async def assert_unhealthy(world: World, *expected_texts: str) -> None:
    """Not ready, with these words; alive and measured all the same."""
    status, text = await fetch(world, "/-/ready")
    assert status == 503
    assert all(expected in text for expected in expected_texts), text
    assert (await fetch(world, "/-/healthy"))[0] == 200
    status, text = await fetch(world, "/metrics")
    assert status == 200
    assert "oddaemon_store_healthy 0.0" in text
    assert "oddaemon_ready 0.0" in text


async def assert_healthy(world: World) -> None:
    assert await fetch(world, "/-/ready") == (200, "Ready.\n")
    _, text = await fetch(world, "/metrics")
    assert "oddaemon_store_healthy 1.0" in text
    assert "oddaemon_ready 1.0" in text


async def wait_until_unhealthy(world: World) -> None:
    await world.wait_until(lambda: world.daemon.lifecycle.health.incident is not None)


async def wait_until_ready(world: World) -> None:
    await world.wait_until(lambda: world.daemon.readiness.ready)


@asynccontextmanager
async def read_only_database(world: World) -> AsyncIterator[None]:
    """The disk is read-only for the length of the block."""
    await world.database.execute_one("PRAGMA query_only = ON")
    yield
    await world.database.execute_one("PRAGMA query_only = OFF")


async def test_a_daemon_says_that_its_disk_is_read_only_and_when_it_is_over(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.wait_for_snapshots(1)
        await assert_healthy(world)
        async with read_only_database(world):
            await wait_until_unhealthy(world)
            await assert_unhealthy(world, "it cannot be written.", "remount the disk for writing", "Since 2026-03-03T")
        await wait_until_ready(world)
        await assert_healthy(world)
        (failed,), (recovered,) = world.find_events("store_failed"), world.find_events("store_recovered")
        assert (failed["level"], failed["transient"]) == ("error", True)
        assert recovered["ready"]
        assert recovered["seconds"] > 0
        await world.wait_for_snapshots(2)


async def test_it_recovers_although_no_office_writes(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL], [make_office_settings(enabled=False)]) as world:
        await world.wait_for_condition(Condition.PAUSED)
        async with read_only_database(world):
            with pytest.raises(StoreError, match="it cannot be written"):
                await world.daemon.configuration.apply(world.settings, trigger=ReloadTrigger.COMMAND)
            await assert_unhealthy(world, "it cannot be written")
            await anyio.sleep(3600)
        await anyio.sleep(2 * RETRY_SECONDS)
        await assert_healthy(world)
        assert len(world.find_events("store_failed")) == 1


async def test_a_slow_disk_is_reported_once_with_its_slowest_write(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.wait_for_snapshots(1)
        world.database.slowest_write_seconds = SLOW_SECONDS + 1.5
        await anyio.sleep(3600)
        assert [line["seconds"] for line in world.find_events("store_slow")] == [3.5]
        await assert_healthy(world)


async def test_a_full_disk_in_the_middle_of_a_publish_costs_nothing_but_time(small_disk: Path) -> None:
    async with night(small_disk, [SMALL]) as world:
        await world.wait_for_snapshots(1)
        previous = await world.read_balances()
        filler = fill_disk_except(small_disk, 0)
        await wait_until_unhealthy(world)
        await world.wait_for_condition(Condition.UNREACHABLE)
        assert world.assert_explained(Condition.UNREACHABLE, Owner.US, FailureKind.STORE, "the disk is full")
        await assert_unhealthy(world, "the disk is full.", "Free some space")
        assert await world.read_balances() == previous
        filler.unlink()
        await wait_until_ready(world)
        await world.wait_for_snapshots(2)
        assert world.assert_explained(Condition.FRESH, None, "2026-03-03")
        assert verify(get_database_path(world)).problems == []


async def test_a_full_disk_is_reported_once_and_not_recovered_by_small_writes(small_disk: Path) -> None:
    async with night(small_disk, [SMALL]) as world:
        await world.wait_for_snapshots(1)
        filler = fill_disk_except(small_disk, 0)
        await world.wait_for_condition(Condition.UNREACHABLE)
        await anyio.sleep(3600)
        assert len(world.find_events("store_failed")) == 1
        assert world.find_events("store_recovered") == []
        filler.unlink()
        await world.wait_for_snapshots(2)


async def test_a_lock_is_reported_and_over_when_it_is_released(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.wait_for_snapshots(1)
        await world.database.execute_one("PRAGMA busy_timeout = 1")
        with locked_database(get_database_path(world)):
            await wait_until_unhealthy(world)
            await assert_unhealthy(world, "another program keeps it locked.", "Close the program")
            await world.wait_for_condition(Condition.UNREACHABLE)
        await world.wait_for_snapshots(2)
        await wait_until_ready(world)
        assert await world.is_true()


def delete(path: Path) -> None:
    path.unlink()


def move_away(path: Path) -> None:
    path.rename(path.with_name("elsewhere.db"))


@pytest.mark.parametrize("vanish", [delete, move_away])
async def test_a_missing_database_is_noticed_and_created_again_by_a_restart(
    tmp_path: Path, vanish: Callable[[Path], None]
) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.wait_for_snapshots(1)
        vanish(get_database_path(world))
        await wait_until_unhealthy(world)
        await assert_unhealthy(world, "was deleted or moved away", "Restart the daemon", "Only a restart ends this.")
        await world.sleep_until(time_after_start(hours=3))
        assert len(world.list_published()) == 1
        assert world.assert_explained(Condition.UNREACHABLE, Owner.US, "was deleted or moved away")
        await world.drain()
        await world.start()
        assert world.find_events("store_opened")[-1]["created"]
        await world.wait_for_snapshots(2)
        assert await world.is_true()


async def test_a_damaged_database_stays_unwell_until_it_is_restored(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.wait_for_snapshots(1)
        await world.database.execute_one("UPDATE balance SET bal_total = x'00'")
        await world.wait_for_condition(Condition.UNREACHABLE)
        await assert_unhealthy(world, "it is damaged", "restore the last backup", "Only a restart ends this.")
        assert len(world.list_published()) == 1
        await anyio.sleep(3600)
        assert len(world.find_events("store_failed")) == 1
        await world.database.execute_one("DELETE FROM balance")
        await world.database.execute_one("DELETE FROM snapshot")


async def start_failing_daemon(world: World) -> None:
    """Start a daemon, which must have tried to open its database in vain, and go on."""
    world.tasks.start_soon(world.start)
    await anyio.sleep(0.5)
    assert world.is_running
    assert world.daemon.lifecycle.health.incident is not None


@asynccontextmanager
async def delayed_start(world: World) -> AsyncIterator[None]:
    """A daemon that cannot open its database yet; it must be ready after the block."""
    await start_failing_daemon(world)
    yield
    await wait_until_ready(world)
    await world.wait_for_snapshots(1)
    assert await world.is_true()


async def test_a_start_waits_for_a_lock_to_be_released(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oddaemon.store.sqlite.connection.BUSY_TIMEOUT_SECONDS", 0.01)
    async with night(tmp_path, [SMALL], running=False) as world:
        async with SqliteDatabase.open(str(get_database_path(world))):
            pass
        with ExitStack() as lock:
            lock.enter_context(locked_database(get_database_path(world)))
            async with delayed_start(world):
                await assert_unhealthy(world, "another program keeps it locked")
                lock.close()
        assert world.find_events("store_recovered")[0]["ready"] is False


async def test_a_start_waits_for_room(small_disk: Path) -> None:
    async with night(small_disk, [SMALL], running=False) as world:
        filler = fill_disk_except(small_disk, 0)
        async with delayed_start(world):
            await assert_unhealthy(world, "disk")
            filler.unlink()


async def test_a_start_waits_for_room_for_the_list_of_offices(small_disk: Path) -> None:
    async with night(small_disk, [SMALL], running=False) as world:
        async with SqliteDatabase.open(str(get_database_path(world))):
            pass
        filler = fill_disk_except(small_disk, 48 * 1024)
        async with delayed_start(world):
            await assert_unhealthy(world, "the disk is full")
            filler.unlink()


async def test_a_start_waits_for_a_disk_to_be_mounted_for_writing(
    small_disk: Path, remount: Callable[[str], None]
) -> None:
    async with night(small_disk, [SMALL], running=False) as world:
        remount("ro")
        async with delayed_start(world):
            await assert_unhealthy(world, "mounted read-only", "Remount the disk")
            await anyio.sleep(3600)
            remount("rw")
        assert len(world.find_events("store_failed")) == 1


async def test_a_daemon_that_waits_for_its_database_can_be_stopped(
    small_disk: Path, remount: Callable[[str], None]
) -> None:
    async with night(small_disk, [SMALL], running=False) as world:
        async with SqliteDatabase.open(str(get_database_path(world))):
            pass
        remount("ro")
        await start_failing_daemon(world)
        await world.drain()
        assert world.lines[-1]["event"] == "daemon_stopped"
        assert not world.daemon.readiness.ready
        remount("rw")


async def test_a_start_does_not_wait_for_what_does_not_pass(tmp_path: Path) -> None:
    async def start() -> None:
        async with night(tmp_path, [SMALL], running=False) as world:
            async with SqliteDatabase.open(str(get_database_path(world))) as database:
                await database.execute_one("UPDATE alembic_version SET version_num = '9999'")
            await world.start()

    with pytest.raises(ExceptionGroup) as caught:
        await start()
    assert caught.group_contains(DatabaseNewer)
