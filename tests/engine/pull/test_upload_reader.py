"""What offices upload: large offices each night, and past days by the operator's own query."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from oddaemon.admin.backfill_commands import BackfillCommands
from oddaemon.admin.commands import CommandRejected
from oddaemon.core.backfill.job import OWN_QUERY_ADVICE, BackfillMethod, BackfillTarget
from oddaemon.core.failures.failure import FailureKind
from oddaemon.core.model import Condition, Owner, Reader
from oddaemon.simulator.api.messages import Endpoint
from oddaemon.simulator.headquarters.options import HeadquartersOptions
from oddaemon.simulator.model.spec import PracticeSpec
from oddaemon.store import backfilled_days
from oddaemon.store.sqlite.connection import SqliteDatabase
from tests.engine.night import SMALL, SMILE, make_office_settings, night
from tests.engine.upload_network import Corruption, UploadNetwork, keep_intact
from tests.engine.world import World
from tests.golden import GoldenTexts
from tests.store.backfilled import read_backfilled_day

DAY = date(2026, 1, 31)
QUERY = (
    "SELECT PatNum,LName,ClinicNum,EstBalance,Bal_0_30,Bal_31_60,Bal_61_90,BalOver90,InsEst,BalTotal FROM patient"
    " WHERE PatNum=Guarantor AND (BalTotal<>0 OR InsEst<>0 OR Bal_0_30<>0 OR Bal_31_60<>0 OR Bal_61_90<>0"
    " OR BalOver90<>0 OR EstBalance<>0) AND '{as_of}'>'2000-01-01'"
)
OLD = replace(SMALL, program_version="21.4.5.0")


def upload_night(directory: Path, spec: PracticeSpec = SMILE, **how: Any) -> AbstractAsyncContextManager[World]:
    return night(directory, [spec], [make_office_settings(reader=Reader.SFTP)], **how)


def get_upload_network(world: World) -> UploadNetwork:
    assert world.upload_network is not None
    return world.upload_network


def get_commands(world: World) -> BackfillCommands:
    return world.daemon.admin.backfill


async def start_job(world: World, query: str = QUERY) -> None:
    await get_commands(world).submit([BackfillTarget("smile", DAY, BackfillMethod.SFTP, query)], 0)


def corrupt_once(corrupt: Corruption) -> Corruption:
    """The first file only."""
    left = [corrupt]
    return lambda content: left.pop()(content) if left else content


def drop_line(content: bytes) -> bytes:
    lines = content.splitlines(keepends=True)
    return b"".join([*lines[:3], *lines[4:]])


def truncate(content: bytes) -> bytes:
    return content[: len(content) // 2]


def lose(_content: bytes) -> None:
    return None


# --- the night --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", [SMILE, OLD], ids=["asynchronous", "before it answers"])
async def test_a_whole_office_is_one_file_between_two_controls(tmp_path: Path, spec: PracticeSpec) -> None:
    async with upload_night(tmp_path, spec) as world:
        await world.wait_for_snapshots(2)
        assert world.assert_explained(Condition.FRESH, None, "2026-03-03")
        assert world.list_request_kinds().count(Endpoint.QUERY_UPLOAD) == 2
        assert not [each for each in world.list_statements() if each.is_packed or each.is_page]
        assert await world.is_true()
        assert len({each.password for each in get_upload_network(world).uploads}) == 2, "one password for each transfer"


async def test_a_query_that_takes_longer_than_the_gateway_waits_is_waited_for(tmp_path: Path) -> None:
    async with upload_night(
        tmp_path, replace(SMILE, program_version="21.4.5.0"), options=HeadquartersOptions(row_seconds=0.3)
    ) as world:
        await world.wait_for_snapshots(1)
        statuses = [each.status for each in world.list_requests() if each.kind is Endpoint.QUERY_UPLOAD]
        assert statuses == [504]
        assert await world.is_true()


async def test_changes_between_the_controls_are_read_again(tmp_path: Path) -> None:
    async with upload_night(tmp_path) as world:
        room = get_upload_network(world)

        def busy(content: bytes) -> bytes:
            world.get_practice().post_activity(3)
            return content

        room.corrupt = corrupt_once(busy)
        await world.wait_for_snapshots(1)
        assert [each for each in world.list_statements() if each.is_patch]
        assert await world.is_true()


@pytest.mark.parametrize("spoil", [drop_line, truncate, lose], ids=["a line is missing", "cut off", "lost"])
async def test_a_corrupted_file_is_requested_again(tmp_path: Path, spoil: Corruption) -> None:
    async with upload_night(tmp_path, SMALL) as world:
        get_upload_network(world).corrupt = corrupt_once(spoil)
        await world.wait_for_snapshots(1)
        assert await world.is_true()
        assert get_upload_network(world).list_leftovers() == [], "no file stays"


async def test_an_office_that_never_uploads_is_explained(tmp_path: Path) -> None:
    async with upload_night(tmp_path, SMALL) as world:
        get_upload_network(world).corrupt = lose
        await world.wait_for_condition(Condition.UNREACHABLE)
        assert world.assert_explained(Condition.UNREACHABLE, Owner.US, FailureKind.UPLOAD_MISSING, "within 600 s")
        assert "firewall" in world.get_status().advice


async def test_a_crash_while_a_file_is_pending_loses_nothing(tmp_path: Path) -> None:
    async with upload_night(tmp_path, SMALL) as world:
        get_upload_network(world).corrupt = corrupt_once(lose)
        await world.wait_until(lambda: bool(get_upload_network(world).uploads))
        await world.crash()
        await world.start()
        await world.wait_for_snapshots(1)
        assert await world.is_true()


@pytest.mark.parametrize("reads", ["night", "past day"])
async def test_no_file_is_waited_for_where_the_daemon_is_stopping(tmp_path: Path, reads: str) -> None:
    async with night(
        tmp_path, [SMALL], None if reads == "past day" else [make_office_settings(reader=Reader.SFTP)]
    ) as world:
        get_upload_network(world).corrupt = lose
        if reads == "past day":
            await world.wait_for_snapshots(1)
            await start_job(world)
        await world.sleep_until(world.clock.now() + timedelta(seconds=20))
        assert len(get_upload_network(world).uploads) == 1
        since = world.clock.now()
        await world.drain()
        assert world.clock.now() - since < timedelta(seconds=5)
        get_upload_network(world).corrupt = keep_intact
        await world.start()
        await world.wait_for_snapshots(1 if reads == "night" else 2)
        assert world.find_events("backfill_failed") == world.find_events("failure") == []


async def test_an_office_whose_file_is_too_large_is_blocked_and_names_the_setting(tmp_path: Path) -> None:
    async with upload_night(tmp_path, SMALL) as world:
        get_upload_network(world).bytes_max = 100
        await world.wait_for_condition(Condition.BLOCKED)
        assert world.assert_explained(Condition.BLOCKED, Owner.US, FailureKind.UPLOAD_TOO_LARGE, "more than 100 bytes")
        assert "firewall" not in world.get_status().advice


# --- past days --------------------------------------------------------------------------------------------------------


async def test_the_operators_query_is_uploaded_counted_and_stored(tmp_path: Path) -> None:
    async with night(tmp_path, [SMILE]) as world:
        await world.wait_for_snapshots(1)
        before = await world.read_balances()
        await start_job(world)
        await world.wait_for_event("backfill_published")
        async with SqliteDatabase.open_for_reading(world.settings.state.database_url.reveal()) as database:
            outcome = (await backfilled_days.load_outcomes(database))["smile", DAY]
        day, stored = read_backfilled_day(world.settings.state.database_url.reveal(), "smile", DAY)
        assert (day.via, outcome.requests) == (BackfillMethod.SFTP, 2)
        assert world.was_true(stored, "smile")
        assert await world.read_balances() == before
        rows, count = get_upload_network(world).uploads
        assert DAY.isoformat() in rows.sql
        assert count.sql.startswith("SELECT COUNT(*)")


async def test_no_rows_are_a_day_without_balances(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.wait_for_snapshots(1)
        await start_job(world, f"{QUERY} AND PatNum<0")
        await world.wait_for_event("backfill_published")
        assert world.find_events("backfill_published")[0]["guarantors"] == 0
        (document,) = (await get_commands(world).list_jobs())["backfills"]
        assert "Check the date" in document["warning"]


async def test_a_header_without_rows_is_a_day_without_balances_too(tmp_path: Path) -> None:
    header = f"{QUERY.removeprefix('SELECT ').partition(' ')[0]}\r\n".encode()
    async with night(tmp_path, [SMALL]) as world:
        await world.wait_for_snapshots(1)
        get_upload_network(world).corrupt = lambda content: header if content == b"OK" else content
        await start_job(world, f"{QUERY} AND PatNum<0")
        await world.wait_for_event("backfill_published")
        assert world.find_events("backfill_published")[0]["guarantors"] == 0


async def test_a_job_that_backs_off_lets_the_others_go_and_shows_its_step(tmp_path: Path, golden: GoldenTexts) -> None:
    others = [BackfillTarget("smile", DAY - timedelta(days=days)) for days in (1, 2)]
    async with night(tmp_path, [SMALL]) as world:
        await world.wait_for_snapshots(1)
        get_upload_network(world).corrupt = lose
        await start_job(world)
        await world.sleep_until(world.clock.now() + timedelta(seconds=5))
        await get_commands(world).submit(others, 0)
        first, second, _ = (await get_commands(world).list_jobs())["backfills"]
        assert first["step"] == "waiting_for_file"
        assert str(DAY) in second["reason"]
        await world.wait_for_event("backfill_published", count=2)
        assert len(get_upload_network(world).uploads) == 1, "who has failed comes after who has not"
        first, *published = (await get_commands(world).list_jobs())["backfills"]
        assert (first["stage"], {each["stage"] for each in published}) == ("open", {"done"})
        golden.check(first["reason"])


async def test_a_cancelled_job_waits_for_no_file_any_more(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.wait_for_snapshots(1)
        get_upload_network(world).corrupt = lose
        await start_job(world)
        await world.sleep_until(world.clock.now() + timedelta(seconds=5))
        await get_commands(world).cancel("smile", [], 0)
        await get_commands(world).submit([BackfillTarget("smile", DAY)], 0)
        since = world.clock.now()
        await world.wait_for_event("backfill_published")
        assert world.clock.now() - since < timedelta(minutes=1)
        assert world.find_events("backfill_failed") == []


@pytest.mark.parametrize(
    "spoil", [drop_line, truncate, lambda _: b"OK"], ids=["a line is missing", "cut off", "said to be none"]
)
async def test_what_the_office_does_not_count_is_never_stored(tmp_path: Path, spoil: Corruption) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.wait_for_snapshots(1)
        get_upload_network(world).corrupt = lambda content: content if content.startswith(b"COUNT") else spoil(content)
        await start_job(world)
        await world.wait_until(lambda: any(line["retry_at"] is None for line in world.find_events("backfill_failed")))
        async with SqliteDatabase.open_for_reading(world.settings.state.database_url.reveal()) as database:
            assert await backfilled_days.load_outcomes(database) == {}


async def test_a_file_that_is_too_large_ends_the_job_and_names_the_setting(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.wait_for_snapshots(1)
        get_upload_network(world).bytes_max = 100
        await start_job(world)
        await world.wait_for_event("backfill_failed")
        (line,) = world.find_events("backfill_failed")
        assert line["retry_at"] is None
        assert "`[sftp] bytes_max`" in line["reason"]


@pytest.mark.parametrize("file", ["rows", "count"])
async def test_a_removed_file_is_requested_again(tmp_path: Path, file: str) -> None:
    """Its owner may remove what it has written, and does so where it believes that it failed."""
    async with night(tmp_path, [SMALL]) as world:
        await world.wait_for_snapshots(1)
        get_upload_network(world).removed_upload = 1 if file == "rows" else 2
        await start_job(world)
        await world.wait_for_event("backfill_published")
        assert "No such file" in world.find_events("backfill_failed")[0]["reason"]


async def test_an_upload_without_a_directory_is_reported_and_tried_again(tmp_path: Path, golden: GoldenTexts) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.wait_for_snapshots(1)
        get_upload_network(world).directory = tmp_path / "uploads"
        await start_job(world)
        await world.wait_for_event("backfill_failed")
        golden.check(world.find_events("backfill_failed")[0]["reason"])
        (tmp_path / "uploads").mkdir()
        await world.wait_for_event("backfill_published")


async def test_a_query_that_the_office_rejects_ends_the_job(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.wait_for_snapshots(1)
        await start_job(world, "SELECT nonsense FROM patient WHERE '{as_of}'<>''")
        await world.wait_for_event("backfill_failed")
        (line,) = world.find_events("backfill_failed")
        assert line["retry_at"] is None
        assert line["reason"].endswith(OWN_QUERY_ADVICE)


async def test_a_file_as_most_are_saved_is_understood(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.wait_for_snapshots(1)
        await start_job(world, f"-- Who owes what.\n{QUERY};\n")
        await world.wait_for_event("backfill_published")


async def test_a_query_without_the_columns_says_which(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.wait_for_snapshots(1)
        await start_job(world, "SELECT PatNum,BalTotal FROM patient WHERE '{as_of}'<>'' AND PatNum=Guarantor")
        await world.wait_for_event("backfill_failed")
        assert "no column for bal_0_30" in world.find_events("backfill_failed")[0]["reason"]


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("SELECT 1", "does not contain the day"),
        ("DELETE FROM t WHERE d='{as_of}'", "must begin with SELECT"),
        (f"SET @day=1; {QUERY}", "several statements"),
    ],
)
async def test_a_query_that_cannot_be_used_is_refused_at_once(tmp_path: Path, query: str, text: str) -> None:
    async with night(tmp_path, [SMALL]) as world:
        with pytest.raises(CommandRejected, match=text):
            await start_job(world, query)


async def test_without_a_receiver_the_job_is_rejected_with_the_setting(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL], running=False) as world:
        world.upload_network = None
        await world.start()
        with pytest.raises(CommandRejected) as caught:
            await start_job(world)
        assert "[sftp] listen" in caught.value.advice


async def test_keys_and_passwords_are_said_nowhere(tmp_path: Path) -> None:
    async with upload_night(tmp_path, SMALL) as world:
        await world.wait_for_snapshots(1)
        is_shown: Callable[[str], bool] = lambda text: any(text in str(line) for line in world.lines)  # noqa: E731
        (carried,) = get_upload_network(world).uploads
        assert not is_shown(carried.password)
        assert not is_shown(carried.username)
        await world.sleep_until(world.clock.now() + timedelta(minutes=1))
