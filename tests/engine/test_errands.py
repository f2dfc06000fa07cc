"""An office is forgotten while the daemon works for the others: all of it, in its turn, and in nobody's way."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from oddaemon.admin.commands import CommandRejected, RejectionKind
from oddaemon.admin.database_commands import DatabaseCommands
from oddaemon.core.backfill.job import BackfillTarget
from oddaemon.core.model import Reader
from oddaemon.simulator.headquarters.options import HeadquartersOptions
from oddaemon.simulator.model.spec import PracticeSpec
from oddaemon.store.errors import DatabaseUnusable
from oddaemon.store.schema import metadata
from oddaemon.store.sqlite.connection import SqliteDatabase
from oddaemon.store.sqlite.history_reader import HistoryReader
from oddaemon.store.sqlite.maintenance.erase import list_office_tables
from oddaemon.store.sqlite.maintenance.integrity import verify
from tests.engine.night import SMALL, SMILE, night, office_settings
from tests.engine.world import World
from tests.sinks.consumer import Book, Moody, sink_settings
from tests.store.slow_disk import holding

HILL = PracticeSpec("hill", seed=2, guarantors=40, settled=10)
BOTH = (SMALL, HILL)
SLOW = HeadquartersOptions(base_seconds=2)
BEGUN = "Started `forget hill`."
CONFIGURED = "hill is in the active configuration"


def desk(world: World) -> DatabaseCommands:
    return world.daemon.admin.database


def database_of(world: World) -> SqliteDatabase:
    return world.database


async def without_hill(world: World) -> None:
    await world.apply(replace(world.settings, offices=world.settings.offices[:1]))


async def told(world: World, order: str = "forget", office_id: str = "hill") -> Mapping[str, Any]:
    """What became of it, once it is over."""
    while (answer := await desk(world).jobs.get_status(order, office_id))["result"] is None:
        assert answer["outcome"] == "in_progress"
        await anyio.sleep(0.5)
    assert answer["outcome"] == "done"
    found: Mapping[str, Any] = answer["result"]
    return found


async def forgotten(world: World) -> Mapping[str, int]:
    assert await desk(world).forget("hill", 1000) == BEGUN
    rows: Mapping[str, int] = (await told(world))["rows"]
    return rows


async def counts(world: World) -> dict[str, int]:
    """Rows of each table."""
    async with database_of(world).read_transaction() as connection:
        return {
            name: (await connection.exec_driver_sql(f"SELECT COUNT(*) FROM {name}")).scalar_one()
            for name in metadata.tables
        }


def known(world: World) -> list[str]:
    with HistoryReader.open(world.settings.state.path) as archive:
        return [office.id for office in archive.list_offices()]


async def test_an_office_goes_while_another_is_in_the_middle_of_its_pull(tmp_path: Path) -> None:
    offices = [office_settings(reader=Reader.PAGES), office_settings("hill")]
    async with night(tmp_path, (SMILE, HILL), offices, options=SLOW) as world:
        await world.until_published(1, "hill")
        await world.until_said("page_stored")
        assert not world.published()
        await without_hill(world)
        rows = await forgotten(world)
        assert not world.published()
        assert rows["balance"] > 20
        assert {"snapshot": 1, "office": 1}.items() <= rows.items()
        assert known(world) == ["smile"]
        assert '"hill"' not in world.metrics()
        (event,) = world.events("office_erased", "hill")
        assert event["rows"] == sum(rows.values())
        assert world.events("job_finished", "")[-1]["job"] == "forget hill"
        await world.until_published(1)
        assert not world.failures()
        assert not world.events("store_failed", "")
        assert not world.events("store_slow", "")
        assert await world.is_true()
    assert verify(tmp_path / "state.db").problems == []


async def test_nothing_of_it_is_stored_afterwards_not_even_that_it_was_forgotten(tmp_path: Path) -> None:
    async with night(tmp_path, BOTH) as world:
        await world.until_published(1, "hill")
        await without_hill(world)
        rows = await forgotten(world)
        assert rows["journal"] > 0
        before = await counts(world)
        await anyio.sleep(3600)
        async with database_of(world).read_transaction() as connection:
            (offices,) = (await connection.exec_driver_sql("SELECT COUNT(DISTINCT office) FROM journal")).one()
        assert offices == 1
        assert {name: before[name] for name in ("office", "snapshot", "balance")} == {
            name: (await counts(world))[name] for name in ("office", "snapshot", "balance")
        }


async def test_an_office_that_is_configured_is_kept(tmp_path: Path) -> None:
    async with night(tmp_path, BOTH) as world:
        await world.until_published(1, "hill")
        with pytest.raises(CommandRejected, match=CONFIGURED) as refusal:
            await desk(world).forget("hill", 1000)
        assert refusal.value.kind is RejectionKind.CONFLICT
        assert "`oddaemon reload`" in refusal.value.advice
        assert world.events("command_received", "hill")[-1]["rejected"]
        assert known(world) == ["hill", "smile"]


async def test_an_office_that_comes_back_before_its_turn_is_kept(tmp_path: Path) -> None:
    async with night(tmp_path, BOTH) as world:
        await world.until_published(1, "hill")
        both = world.settings
        await without_hill(world)
        async with database_of(world).maintenance_lock:
            assert await desk(world).forget("hill", 1000) == BEGUN
            assert await desk(world).forget("hill", 1000) == "`forget hill` is already running."
            await world.apply(both)
        with pytest.raises(CommandRejected, match=CONFIGURED):
            await told(world)
        assert world.events("job_failed", "")[-1]["traceback"] is None
        await world.until_published(2, "hill")


async def test_an_office_whose_worker_is_being_stopped_is_forgotten_once_it_has_ended(tmp_path: Path) -> None:
    async with night(tmp_path, BOTH, options=SLOW) as world:
        await world.until_said("pull_started", office_id="hill")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(without_hill, world)
            await world.until(lambda: "hill" not in world.daemon.fleet.offices)
            rows = await forgotten(world)
        assert rows["office"] == 1
        stopped, gone = world.events("office_stopped", "hill")[-1], world.events("office_erased", "hill")[-1]
        assert world.lines.index(stopped) < world.lines.index(gone)
        await anyio.sleep(100)
        assert known(world) == ["smile"]
        assert not world.events("worker_crashed", "hill")


async def test_an_office_that_is_added_while_it_is_forgotten_begins_anew(tmp_path: Path) -> None:
    async with night(tmp_path, BOTH) as world:
        await world.until_published(1, "hill")
        both = world.settings
        await without_hill(world)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(forgotten, world)
            while not world.daemon.configuration._reload_lock.locked():
                await anyio.lowlevel.checkpoint()
            await world.apply(both)
        await world.until_published(2, "hill", within=timedelta(minutes=5))
        assert len(await world.history("hill")) == 1
        assert await world.is_true("hill")


async def test_its_orders_for_past_days_are_given_up_wherever_they_are(tmp_path: Path) -> None:
    async with night(tmp_path, BOTH, options=SLOW) as world:
        await world.until_published(1, "hill")
        days = [BackfillTarget("hill", day) for day in (date(2026, 1, 31), date(2025, 12, 31))]
        await world.daemon.admin.backfill.submit(days, 0)
        await anyio.sleep(1)
        await without_hill(world)
        rows = await forgotten(world)
        assert rows["backfill"] == 2
        await anyio.sleep(7200)
        found = await counts(world)
        empty = ("backfill", "backfill_page", "historical_snapshot", "historical_balance")
        assert [found[name] for name in empty] == [0, 0, 0, 0]
        assert (await world.daemon.admin.backfill.list_jobs())["backfills"] == []


class _Slow(Moody):
    """A consumer that takes an hour over what comes of one office."""

    async def deliver(self, payload: Any, delivery_id: str) -> None:
        if payload.office_id == "hill":
            await anyio.sleep(3600)
        await super().deliver(payload, delivery_id)


async def test_a_courier_in_the_middle_of_a_delivery_of_it_goes_on_with_the_others(tmp_path: Path) -> None:
    book = Book()
    sinks = {"sinks": [sink_settings()], "make_sink": lambda _: _Slow(book)}
    async with night(tmp_path, BOTH, **sinks) as world:  # type: ignore[arg-type]  # keywords by name
        await world.until_published(1, "hill")
        await anyio.sleep(60)
        await without_hill(world)
        await forgotten(world)
        assert not [each for each in book.taken if each.office_id == "hill"]
        await world.until_said("delivery_succeeded", office_id="smile")
        assert not world.events("courier_crashed", "")
        assert [each for each in book.taken if each.office_id == "smile"]
        assert (await counts(world))["delivery"] == 1


async def test_a_daemon_that_is_killed_in_between_is_told_again_and_ends_it(tmp_path: Path) -> None:
    async with night(tmp_path, BOTH) as world:
        await world.until_published(1, "hill")
        await without_hill(world)
        await desk(world).forget("hill", 1000)
        while not database_of(world).maintenance_lock.locked():
            await anyio.lowlevel.checkpoint()
        await world.crash()
        assert known(world) == ["hill", "smile"]
        await world.start()
        with pytest.raises(CommandRejected, match="`forget hill` was not requested"):
            await desk(world).jobs.get_status("forget", "hill")
        assert (await forgotten(world))["office"] == 1
        assert known(world) == ["smile"]


async def test_what_nothing_is_known_of_cannot_be_forgotten(tmp_path: Path) -> None:
    async with night(tmp_path, BOTH) as world:
        await desk(world).forget("dale", None)
        with pytest.raises(CommandRejected, match="knows no office 'dale'"):
            await told(world, office_id="dale")


@pytest.mark.real("waits for the lock time-out of SQLite in real time")
async def test_a_database_that_is_read_by_others_is_told_and_it_is_done_again(tmp_path: Path) -> None:
    async with night(tmp_path, BOTH) as world:
        await world.until_published(1, "hill")
        await without_hill(world)
        with closing(sqlite3.connect(world.settings.state.path, isolation_level=None)) as other:
            other.execute("BEGIN")
            other.execute("SELECT COUNT(*) FROM balance").fetchall()
            await desk(world).forget("hill", 1000)
            with pytest.raises(CommandRejected, match="Another program has the database"):
                await told(world)
        assert known(world) == ["hill", "smile"]
        assert world.daemon.readiness.ready
        await forgotten(world)
        assert known(world) == ["smile"]


async def test_an_error_of_our_own_is_told_and_ends_nothing(tmp_path: Path) -> None:
    async with night(tmp_path, BOTH) as world:
        await world.until_published(1, "hill")

        async def failing() -> Mapping[str, Any]:
            await anyio.lowlevel.checkpoint()
            raise ZeroDivisionError

        await desk(world).jobs.start("vacuum", "", None, failing)
        with pytest.raises(CommandRejected, match="internal error ended the job: ZeroDivisionError"):
            await told(world, "vacuum", "")
        assert "ZeroDivisionError" in world.events("job_failed", "")[-1]["traceback"]
        await desk(world).vacuum(None)
        assert (await told(world, "vacuum", ""))["outcome"].startswith("Vacuumed ")


async def test_pruning_by_order_takes_the_configured_period_or_the_one_that_is_named(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.until_published(2)
        await world.until_published(4)
        await desk(world).prune(None, 1000)
        assert (await told(world, "prune", ""))["outcome"].startswith("Deleted what was older than 400 days: 0 ")
        await desk(world).prune(1, 1000)
        assert (await told(world, "prune", ""))["outcome"].startswith("Deleted what was older than 1 days: 1 ")


async def test_a_full_disk_is_told_before_a_row_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with night(tmp_path, BOTH) as world:
        await world.until_published(1, "hill")
        await without_hill(world)
        before = await counts(world)

        def full(*_: object) -> None:
            raise DatabaseUnusable("The disk is full.", "Free some space.", is_transient=True)

        monkeypatch.setattr("oddaemon.store.sqlite.maintenance.vacuum.require_space", full)
        await desk(world).forget("hill", 1000)
        with pytest.raises(CommandRejected, match="The disk is full"):
            await told(world)
        after = await counts(world)
        assert all(after[table.name] >= before[table.name] for table in list_office_tables())


async def test_a_drain_breaks_off_what_would_keep_the_database_from_whoever_has_something_to_store(
    tmp_path: Path,
) -> None:
    async with night(tmp_path, [SMALL], options=SLOW) as world:
        await world.until_said("pull_started")
        async with holding(database_of(world)) as held:
            await desk(world).vacuum(1000)
            await desk(world).forget("hill", 1000)
            await held.reached()
            world.daemon.drain()
            await held.let_go()
            await world.ended()
        failed = {each["job"]: each for each in world.events("job_failed", "")}
        assert set(failed) == {"vacuum", "forget hill"}
        assert all("The daemon is stopping" in each["reason"] for each in failed.values())
        assert not world.events("job_finished", "")
        assert not world.events("store_failed", "")
        assert len(world.published()) == 1
        await world.start()
        await desk(world).vacuum(1000)
        assert (await told(world, "vacuum", ""))["outcome"].startswith("Vacuumed ")
