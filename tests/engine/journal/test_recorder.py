"""Each office's journal: what was decided and exchanged, bounded, free of secrets, and without a delay of the work."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest

from oddaemon.core.failures.failure import FailureKind
from oddaemon.engine.journal.recorder import PENDING_MAX, RETRY_SECONDS, JournalRecorder
from oddaemon.simulator.faults.faults import EConnectorDown
from oddaemon.simulator.model.spec import PracticeSpec
from oddaemon.simulator.virtual_time import VirtualLoop
from oddaemon.store import journal as stored
from oddaemon.store.journal import JournalEntry
from oddaemon.store.sqlite.connection import SqliteDatabase
from oddaemon.telemetry.events import AgingStatusChanged, OfficeStopped, RequestFinished
from oddaemon.telemetry.telemetry import Telemetry
from tests.engine.night import SMALL, night, schedule_fault, time_after_start
from tests.engine.world import World
from tests.store.configured import register_offices
from tests.store.samples import ELM, HARBOR, OFFICES

NOW = datetime(2026, 3, 8, 7, 0, tzinfo=UTC)


@asynccontextmanager
async def running_journal(
    directory: Path, entries_max: int = 100
) -> AsyncIterator[tuple[JournalRecorder, Telemetry, SqliteDatabase]]:
    """A journal at work, for two offices."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    loop.track_calls(lambda: SqliteDatabase.calls_in_flight)
    telemetry = Telemetry(write=lambda _: None, now=lambda: NOW, version="test")
    journal = JournalRecorder(telemetry, lambda: NOW, retained_max=entries_max, write_seconds=2.0)
    async with SqliteDatabase.open(str(directory / "state.db")) as database, anyio.create_task_group() as tasks:
        await register_offices(database, OFFICES)
        tasks.start_soon(journal.run, database)
        yield journal, telemetry, database
        tasks.cancel_scope.cancel()


def make_request(office_id: str) -> RequestFinished:
    return RequestFinished(office_id, "preferences", "ok", 200, 0.5, 0.0, 100)


def render_metrics(telemetry: Telemetry) -> str:
    return telemetry.render(()).body.decode()


async def read_entries(world: World, office_id: str = "smile") -> list[JournalEntry]:
    async with SqliteDatabase.open_for_reading(world.settings.state.database_url.reveal()) as database:
        return await stored.list_latest(database, office_id, 1000)


async def test_a_night_is_recorded_from_the_first_request_to_the_snapshot(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.wait_for_snapshots(1)
        await world.wait_for_snapshots(2)
        await world.drain()
        entries = await read_entries(world)
        names = [entry.event for entry in entries]
        assert names[0] == "office_started"
        assert names[-1] == "office_stopped"
        assert names.count("snapshot_published") == 2
        pull = names.index("pull_started")
        assert names[pull : pull + 4] == [
            "pull_started",
            "requests_summarized",
            "condition_changed",
            "snapshot_published",
        ]
        assert [entry.at for entry in entries] == sorted(entry.at for entry in entries)
        requests = sum(int(str(entry.fields["requests"])) for entry in entries if entry.event == "requests_summarized")
        assert requests == len(world.list_requests())


async def test_two_days_of_an_idle_office_are_few_entries(tmp_path: Path) -> None:
    idle = replace(SMALL, service_time_due=None)
    async with night(tmp_path, [idle]) as world:
        await world.sleep_until(time_after_start(days=2))
        await world.drain()
        entries = await read_entries(world)
        assert len(world.list_requests()) > 100
        assert len(entries) < 30
        assert {entry.event for entry in entries[-8:]} <= {"requests_summarized", "deadline_missed", "office_stopped"}


async def test_a_failure_is_stored_with_its_request_and_its_repetitions_counted(tmp_path: Path) -> None:
    down = schedule_fault(EConnectorDown(), time_after_start(minutes=10), time_after_start(hours=5))
    async with night(tmp_path, [SMALL], faults=[down]) as world:
        await world.wait_for_snapshots(2)
        await world.drain()
        entries = await read_entries(world)
        failures = [entry for entry in entries if entry.event == "failure_seen"]
        failure_count = Counter(world.list_failure_kinds())[FailureKind.ECONNECTOR_DOWN]
        assert failure_count > 10
        assert [entry.fields["kind"] for entry in failures] == [FailureKind.ECONNECTOR_DOWN]
        assert "request" in failures[0].fields
        compacted = [entry.fields["failed"] for entry in entries if entry.event == "requests_summarized"]
        assert (
            sum(Counter(each)[FailureKind.ECONNECTOR_DOWN] for each in compacted if isinstance(each, dict))
            == failure_count - 1
        )


async def test_entries_not_written_yet_are_shown_already(tmp_path: Path) -> None:
    async with running_journal(tmp_path) as (journal, telemetry, database):
        telemetry.emit(AgingStatusChanged(ELM, "due", None))
        telemetry.emit(make_request(ELM))
        assert [entry.event for entry in await journal.read_tail(database, ELM, 10)] == [
            "aging_status_changed",
            "requests_summarized",
        ]
        assert [entry.event for entry in await journal.read_tail(database, ELM, 1)] == ["requests_summarized"]
        assert await journal.read_tail(database, HARBOR, 10) == []
        assert await stored.list_latest(database, ELM, 10) == []
        await anyio.sleep(3)
        assert [entry.event for entry in await stored.list_latest(database, ELM, 10)] == ["aging_status_changed"]
        assert [entry.event for entry in await journal.read_tail(database, ELM, 10)] == [
            "aging_status_changed",
            "requests_summarized",
        ]
        await journal.flush(database)
        assert [entry.event for entry in await stored.list_latest(database, ELM, 10)] == [
            "aging_status_changed",
            "requests_summarized",
        ]


async def test_many_entries_are_one_write_and_the_last_ones_stay(tmp_path: Path) -> None:
    async with running_journal(tmp_path, entries_max=10) as (_, telemetry, database):
        for number in range(100):
            telemetry.emit(AgingStatusChanged(ELM, str(number), None))
        await anyio.sleep(3)
        entries = await stored.list_latest(database, ELM, 1000)
        assert [entry.fields["status"] for entry in entries] == [str(number) for number in range(90, 100)]


async def test_keys_that_another_side_repeats_are_not_kept(tmp_path: Path) -> None:
    async with running_journal(tmp_path) as (journal, telemetry, database):
        telemetry.add_secrets(["planted-key"])
        telemetry.emit(OfficeStopped(ELM, 'said: {"key": "planted-key"}'))
        entries = await journal.read_tail(database, ELM, 1)
        await journal.flush(database)
        assert await stored.list_latest(database, ELM, 1) == entries
        assert [entry.fields["reason"] for entry in entries] == ['said: {"key": "***"}']


async def test_what_cannot_be_written_waits_and_past_its_room_is_counted(tmp_path: Path) -> None:
    async with running_journal(tmp_path, entries_max=2 * PENDING_MAX) as (journal, telemetry, database):
        await database.execute_one("PRAGMA query_only = ON")
        for number in range(PENDING_MAX + 7):
            telemetry.emit(AgingStatusChanged(ELM, str(number), None))
        await anyio.sleep(2 * RETRY_SECONDS)
        assert await stored.list_latest(database, ELM, 1) == []
        assert len(await journal.read_tail(database, ELM, 2 * PENDING_MAX)) == PENDING_MAX
        assert "oddaemon_journal_entries_lost_total 7.0" in render_metrics(telemetry)
        await database.execute_one("PRAGMA query_only = OFF")
        await anyio.sleep(2 * RETRY_SECONDS)
        entries = await stored.list_latest(database, ELM, 2 * PENDING_MAX)
        assert (entries[0].fields["status"], entries[-1].fields["status"], len(entries)) == ("7", "10006", PENDING_MAX)


@pytest.mark.slow("forty offices for days")
async def test_forty_offices_take_a_few_entries_a_day(tmp_path: Path) -> None:
    specs = [PracticeSpec(f"office-{number}", seed=number, guarantors=5, settled=1) for number in range(40)]
    async with night(tmp_path, specs) as world:
        await world.sleep_until(time_after_start(days=1))
        await world.drain()
        lengths = [len(await read_entries(world, spec.office_id)) for spec in specs]
        assert max(lengths) < 40
