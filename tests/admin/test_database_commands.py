"""An office is erased while the daemon works for the others: completely, in its turn, and without a delay of theirs."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
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
from oddaemon.store.journal import list_latest
from oddaemon.store.offices import list_office_tables
from oddaemon.store.opening import open_history
from oddaemon.store.schema import metadata
from oddaemon.store.sqlite.connection import SqliteDatabase
from oddaemon.store.sqlite.maintenance.integrity import verify
from tests.engine.delivery.fake_consumer import ConsumerBook, ScriptedSink, make_sink_settings
from tests.engine.night import SMALL, SMILE, make_office_settings, night, replace_offices
from tests.engine.world import World
from tests.golden import GoldenTexts
from tests.store.paused_statement import paused_statement

HILL = PracticeSpec("hill", seed=2, guarantors=40, settled=10)
BOTH = (SMALL, HILL)
SLOW = HeadquartersOptions(base_seconds=2)
STARTED = "Started `forget hill`."
CONFIGURED = "hill is in the active configuration"


def get_commands(world: World) -> DatabaseCommands:
    return world.daemon.admin.database


def get_database(world: World) -> SqliteDatabase:
    return world.database


async def remove_hill(world: World) -> None:
    await world.apply(replace_offices(world.settings, [*world.settings.offices.values()][:1]))


async def wait_for_result(world: World, command: str = "forget", office_id: str = "hill") -> Mapping[str, Any]:
    """What became of it, once it is over."""
    while (progress := await get_commands(world).jobs.get_status(command, office_id))["result"] is None:
        assert progress["outcome"] == "in_progress"
        await anyio.sleep(0.5)
    assert progress["outcome"] == "done"
    found: Mapping[str, Any] = progress["result"]
    return found


async def erase_hill(world: World) -> Mapping[str, int]:
    assert await get_commands(world).forget("hill", 1000) == STARTED
    rows: Mapping[str, int] = (await wait_for_result(world))["rows"]
    return rows


async def count_rows(world: World) -> dict[str, int]:
    """Rows of each table."""
    query = f"SELECT {', '.join(f'(SELECT COUNT(*) FROM {name})' for name in metadata.tables)}"
    (counts,) = await get_database(world).fetch(query, (), tuple)
    return dict(zip(metadata.tables, counts, strict=True))


async def list_failed_jobs(world: World) -> list[str]:
    """What `status` shows of commands that were accepted and failed later."""
    daemon = (await world.daemon.admin.status.get_fleet())["daemon"]
    assert daemon is not None
    return daemon["failed_jobs"]


def list_known_offices(world: World) -> list[str]:
    with open_history(str(world.settings.state.path)) as reader:
        return [office_id for office_id, *_ in reader.list_offices()]


async def test_an_office_is_erased_while_another_is_pulled(tmp_path: Path) -> None:
    offices = [make_office_settings(reader=Reader.PAGES), make_office_settings("hill")]
    async with night(tmp_path, (SMILE, HILL), offices, options=SLOW) as world:
        await world.wait_for_snapshots(1, "hill")
        await world.wait_for_event("page_stored")
        assert not world.list_published()
        await remove_hill(world)
        rows = await erase_hill(world)
        assert not world.list_published()
        assert rows["balance"] > 20
        assert {"snapshot": 1, "office": 1}.items() <= rows.items()
        assert list_known_offices(world) == ["smile"]
        assert '"hill"' not in world.render_metrics()
        (event,) = world.find_events("office_erased", "hill")
        assert event["rows"] == sum(rows.values())
        assert world.find_events("job_finished", "")[-1]["job"] == "forget hill"
        await world.wait_for_snapshots(1)
        assert not world.list_failure_kinds()
        assert not world.find_events("store_failed", "")
        assert not world.find_events("store_slow", "")
        assert await world.is_true()
    assert verify(tmp_path / "state.db").problems == []


async def test_nothing_of_it_is_stored_afterwards_not_even_that_it_was_forgotten(tmp_path: Path) -> None:
    async with night(tmp_path, BOTH) as world:
        await world.wait_for_snapshots(1, "hill")
        await remove_hill(world)
        rows = await erase_hill(world)
        assert rows["journal"] > 0
        before = await count_rows(world)
        await anyio.sleep(3600)
        assert await get_database(world).fetch("SELECT COUNT(DISTINCT office) FROM journal", (), tuple) == [(1,)]
        assert {name: before[name] for name in ("office", "snapshot", "balance")} == {
            name: (await count_rows(world))[name] for name in ("office", "snapshot", "balance")
        }


async def test_an_office_that_is_configured_is_kept(tmp_path: Path) -> None:
    async with night(tmp_path, BOTH) as world:
        await world.wait_for_snapshots(1, "hill")
        with pytest.raises(CommandRejected, match=CONFIGURED) as refusal:
            await get_commands(world).forget("hill", 1000)
        assert refusal.value.kind is RejectionKind.CONFLICT
        assert "`oddaemon reload`" in refusal.value.advice
        assert world.find_events("command_received", "hill")[-1]["rejected"]
        assert list_known_offices(world) == ["hill", "smile"]


async def test_the_command_adds_no_row_to_those_that_it_erases(tmp_path: Path) -> None:
    async with night(tmp_path, BOTH) as world:
        await world.wait_for_snapshots(1, "hill")
        await remove_hill(world)
        await anyio.sleep(60)
        before = await list_latest(world.database, "hill", 1000)
        async with get_database(world).maintenance_lock:
            assert await get_commands(world).forget("hill", 1000) == STARTED
            await anyio.sleep(60)
            assert await list_latest(world.database, "hill", 1000) == before


async def test_an_office_that_comes_back_before_its_turn_is_kept(tmp_path: Path, golden: GoldenTexts) -> None:
    async with night(tmp_path, BOTH) as world:
        await world.wait_for_snapshots(1, "hill")
        both = world.settings
        await remove_hill(world)
        async with get_database(world).maintenance_lock:
            assert await get_commands(world).forget("hill", 1000) == STARTED
            golden.check(await get_commands(world).forget("hill", 1000))
            await world.apply(both)
        with pytest.raises(CommandRejected, match=CONFIGURED):
            await wait_for_result(world)
        assert world.find_events("job_failed", "")[-1]["traceback"] is None
        await world.wait_for_snapshots(2, "hill")


async def test_an_office_whose_worker_is_being_stopped_is_forgotten_once_it_has_ended(tmp_path: Path) -> None:
    async with night(tmp_path, BOTH, options=SLOW) as world:
        await world.wait_for_event("pull_started", office_id="hill")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(remove_hill, world)
            await world.wait_until(lambda: "hill" not in world.daemon.fleet.offices)
            rows = await erase_hill(world)
        assert rows["office"] == 1
        stopped, gone = world.find_events("office_stopped", "hill")[-1], world.find_events("office_erased", "hill")[-1]
        assert world.lines.index(stopped) < world.lines.index(gone)
        await anyio.sleep(100)
        assert list_known_offices(world) == ["smile"]
        assert not world.find_events("worker_crashed", "hill")


async def test_an_office_added_while_it_is_erased_starts_fresh(tmp_path: Path) -> None:
    async with night(tmp_path, BOTH) as world:
        await world.wait_for_snapshots(1, "hill")
        both = world.settings
        await remove_hill(world)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(erase_hill, world)
            while not world.daemon.configuration._reload_lock.locked():
                await anyio.lowlevel.checkpoint()
            await world.apply(both)
        await world.wait_for_snapshots(2, "hill", within=timedelta(minutes=5))
        assert len(await world.read_history("hill")) == 1
        assert await world.is_true("hill")


async def test_its_backfill_jobs_are_abandoned_in_any_state(tmp_path: Path) -> None:
    async with night(tmp_path, BOTH, options=SLOW) as world:
        await world.wait_for_snapshots(1, "hill")
        days = [BackfillTarget("hill", day) for day in (date(2026, 1, 31), date(2025, 12, 31))]
        await world.daemon.admin.backfill.submit(days, 0)
        await anyio.sleep(1)
        await remove_hill(world)
        rows = await erase_hill(world)
        assert rows["backfill"] == 2
        await anyio.sleep(7200)
        found = await count_rows(world)
        empty = ("backfill", "backfill_page", "historical_snapshot", "historical_balance")
        assert [found[name] for name in empty] == [0, 0, 0, 0]
        assert (await world.daemon.admin.backfill.list_jobs())["backfills"] == []


class _SlowSink(ScriptedSink):
    """A consumer that takes an hour over what comes of one office."""

    async def deliver(self, payload: Any, delivery_id: str) -> None:
        if payload.office_id == "hill":
            await anyio.sleep(3600)
        await super().deliver(payload, delivery_id)


async def test_a_courier_in_the_middle_of_a_delivery_of_it_goes_on_with_the_others(tmp_path: Path) -> None:
    book = ConsumerBook()
    sinks = {"sinks": [make_sink_settings()], "make_sink": lambda _: _SlowSink(book)}
    async with night(tmp_path, BOTH, **sinks) as world:  # type: ignore[arg-type]  # keywords by name
        await world.wait_for_snapshots(1, "hill")
        await anyio.sleep(60)
        await remove_hill(world)
        await erase_hill(world)
        assert not [each for each in book.accepted if each.office_id == "hill"]
        await world.wait_for_event("delivery_succeeded", office_id="smile")
        assert not world.find_events("courier_crashed", "")
        assert [each for each in book.accepted if each.office_id == "smile"]
        assert (await count_rows(world))["delivery"] == 1


async def test_an_erasure_cut_by_a_kill_is_finished_on_repetition(tmp_path: Path, golden: GoldenTexts) -> None:
    async with night(tmp_path, BOTH) as world:
        await world.wait_for_snapshots(1, "hill")
        await remove_hill(world)
        await get_commands(world).forget("hill", 1000)
        while not get_database(world).maintenance_lock.locked():
            await anyio.lowlevel.checkpoint()
        await world.crash()
        assert list_known_offices(world) == ["hill", "smile"]
        await world.start()
        with pytest.raises(CommandRejected) as caught:
            await get_commands(world).jobs.get_status("forget", "hill")
        golden.check(caught.value)
        assert (await erase_hill(world))["office"] == 1
        assert list_known_offices(world) == ["smile"]


async def test_what_nothing_is_known_of_cannot_be_forgotten(tmp_path: Path, golden: GoldenTexts) -> None:
    async with night(tmp_path, BOTH) as world:
        await get_commands(world).forget("dale", None)
        with pytest.raises(CommandRejected) as caught:
            await wait_for_result(world, office_id="dale")
        golden.check(caught.value)


@pytest.mark.real("waits for the lock time-out of SQLite in real time")
async def test_a_database_in_use_is_reported_and_the_job_can_be_repeated(tmp_path: Path, golden: GoldenTexts) -> None:
    async with night(tmp_path, BOTH) as world:
        await world.wait_for_snapshots(1, "hill")
        await remove_hill(world)
        with closing(sqlite3.connect(world.settings.state.path, isolation_level=None)) as other:
            other.execute("BEGIN")
            other.execute("SELECT COUNT(*) FROM balance").fetchall()
            await get_commands(world).forget("hill", 1000)
            with pytest.raises(CommandRejected) as caught:
                await wait_for_result(world)
            golden.check(caught.value)
        assert list_known_offices(world) == ["hill", "smile"]
        assert world.daemon.readiness.ready
        await erase_hill(world)
        assert list_known_offices(world) == ["smile"]


async def test_a_crash_is_reported_and_ends_nothing(tmp_path: Path, golden: GoldenTexts) -> None:
    async with night(tmp_path, BOTH) as world:
        await world.wait_for_snapshots(1, "hill")

        async def fail() -> Mapping[str, Any]:
            await anyio.lowlevel.checkpoint()
            raise ZeroDivisionError

        await get_commands(world).jobs.start("vacuum", "", None, fail)
        with pytest.raises(CommandRejected) as caught:
            await wait_for_result(world, "vacuum", "")
        golden.check(caught.value)
        assert "ZeroDivisionError" in world.find_events("job_failed", "")[-1]["traceback"]
        await get_commands(world).vacuum(None)
        assert (await wait_for_result(world, "vacuum", ""))["outcome"].startswith("Vacuumed ")


async def test_pruning_by_command_uses_the_configured_or_the_given_period(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.wait_for_snapshots(2)
        await world.wait_for_snapshots(4)
        await get_commands(world).prune(None, 1000)
        assert "400 days: 0 " in (await wait_for_result(world, "prune", ""))["outcome"]
        await get_commands(world).prune(1, 1000)
        assert "1 days: 1 " in (await wait_for_result(world, "prune", ""))["outcome"]


async def test_a_full_disk_is_reported_before_a_row_is_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, golden: GoldenTexts
) -> None:
    async with night(tmp_path, BOTH) as world:
        await world.wait_for_snapshots(1, "hill")
        await remove_hill(world)
        before = await count_rows(world)

        def full(*_: object) -> None:
            raise DatabaseUnusable("The disk is full.", "Free some space.", is_transient=True)

        with monkeypatch.context() as patched:
            patched.setattr("oddaemon.store.sqlite.maintenance.vacuum.require_space", full)
            await get_commands(world).forget("hill", 1000)
            with pytest.raises(CommandRejected) as caught:
                await wait_for_result(world)
            golden.check(caught.value)
        after = await count_rows(world)
        assert all(after[table.name] >= before[table.name] for table in list_office_tables())
        assert await list_failed_jobs(world) == ["`forget hill` failed. The disk is full. Free some space."]
        await erase_hill(world)
        assert await list_failed_jobs(world) == []


async def test_a_drain_interrupts_jobs_that_block_the_database(
    tmp_path: Path,
) -> None:
    async with night(tmp_path, [SMALL], options=SLOW) as world:
        await world.wait_for_event("pull_started")
        await anyio.sleep(1.5)  # the key rests for one second first
        async with paused_statement(get_database(world)) as pause:
            await get_commands(world).vacuum(1000)
            await get_commands(world).forget("hill", 1000)
            await pause.wait_until_reached()
            world.daemon.drain()
            await pause.resume()
            await world.wait_ended()
        failed = {each["job"]: each for each in world.find_events("job_failed", "")}
        assert set(failed) == {"vacuum", "forget hill"}
        assert all("daemon is stopping" in each["reason"] for each in failed.values())
        assert not world.find_events("job_finished", "")
        assert not world.find_events("store_failed", "")
        assert len(world.list_published()) == 1
        await world.start()
        await get_commands(world).vacuum(1000)
        assert (await wait_for_result(world, "vacuum", ""))["outcome"].startswith("Vacuumed ")
