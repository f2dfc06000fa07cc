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
from oddaemon.core.model import Condition, Owner, Reader
from oddaemon.simulator.api.messages import Endpoint
from oddaemon.simulator.headquarters.options import HeadquartersOptions
from oddaemon.simulator.practice.practice import PracticeSpec
from oddaemon.store import backfilled_days
from oddaemon.store.sqlite.connection import SqliteDatabase
from tests.engine.mailroom import Mailroom, Spoil, unspoilt
from tests.engine.night import SMALL, SMILE, night, office_settings
from tests.engine.world import World
from tests.store.backfilled import read_backfilled_day

DAY = date(2026, 1, 31)
QUERY = (
    "SELECT PatNum,LName,ClinicNum,EstBalance,Bal_0_30,Bal_31_60,Bal_61_90,BalOver90,InsEst,BalTotal FROM patient"
    " WHERE PatNum=Guarantor AND (BalTotal<>0 OR InsEst<>0 OR Bal_0_30<>0 OR Bal_31_60<>0 OR Bal_61_90<>0"
    " OR BalOver90<>0 OR EstBalance<>0) AND '{as_of}'>'2000-01-01'"
)
OLD = replace(SMALL, program_version="21.4.5.0")


def by_upload(directory: Path, spec: PracticeSpec = SMILE, **how: Any) -> AbstractAsyncContextManager[World]:
    return night(directory, [spec], [office_settings(reader=Reader.SFTP)], **how)


def mailroom(world: World) -> Mailroom:
    assert world.mailroom is not None
    return world.mailroom


def desk(world: World) -> BackfillCommands:
    return world.daemon.admin.backfill


async def order(world: World, query: str = QUERY) -> None:
    await desk(world).submit([BackfillTarget("smile", DAY, BackfillMethod.SFTP, query)], 0)


def spoilt_once(spoil: Spoil) -> Spoil:
    """The first file only."""
    left = [spoil]
    return lambda content: left.pop()(content) if left else content


def without_line(content: bytes) -> bytes:
    lines = content.splitlines(keepends=True)
    return b"".join([*lines[:3], *lines[4:]])


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def lost(_content: bytes) -> None:
    return None


# --- the night --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", [SMILE, OLD], ids=["asynchronous", "before it answers"])
async def test_a_whole_office_is_one_file_between_two_controls(tmp_path: Path, spec: PracticeSpec) -> None:
    async with by_upload(tmp_path, spec) as world:
        await world.until_published(2)
        assert world.explains(Condition.FRESH, None, "2026-03-03")
        assert world.kinds().count(Endpoint.QUERY_UPLOAD) == 2
        assert not [each for each in world.statements() if each.is_packed or each.is_page]
        assert await world.is_true()
        assert len({each.password for each in mailroom(world).carried}) == 2, "one password for each transfer"


async def test_a_query_that_takes_longer_than_the_gateway_waits_is_waited_for(tmp_path: Path) -> None:
    async with by_upload(
        tmp_path, replace(SMILE, program_version="21.4.5.0"), options=HeadquartersOptions(row_seconds=0.3)
    ) as world:
        await world.until_published(1)
        statuses = [each.status for each in world.exchanges() if each.kind is Endpoint.QUERY_UPLOAD]
        assert statuses == [504]
        assert await world.is_true()


async def test_what_moved_between_the_controls_is_read_again(tmp_path: Path) -> None:
    async with by_upload(tmp_path) as world:
        room = mailroom(world)

        def busy(content: bytes) -> bytes:
            world.practice().post_activity(3)
            return content

        room.spoil = spoilt_once(busy)
        await world.until_published(1)
        assert [each for each in world.statements() if each.is_patch]
        assert await world.is_true()


@pytest.mark.parametrize("spoil", [without_line, cut, lost], ids=["a line is missing", "cut off", "lost"])
async def test_a_file_that_is_spoilt_on_its_way_is_asked_for_again(tmp_path: Path, spoil: Spoil) -> None:
    async with by_upload(tmp_path, SMALL) as world:
        mailroom(world).spoil = spoilt_once(spoil)
        await world.until_published(1)
        assert await world.is_true()
        assert mailroom(world).left() == [], "no file stays"


async def test_an_office_that_never_uploads_is_explained(tmp_path: Path) -> None:
    async with by_upload(tmp_path, SMALL) as world:
        mailroom(world).spoil = lost
        await world.until_is(Condition.UNREACHABLE)
        assert world.explains(Condition.UNREACHABLE, Owner.US, "did not come", "within 600 s")
        assert "firewall" in world.standing().advice


async def test_a_crash_while_a_file_is_awaited_loses_nothing(tmp_path: Path) -> None:
    async with by_upload(tmp_path, SMALL) as world:
        mailroom(world).spoil = spoilt_once(lost)
        await world.until(lambda: bool(mailroom(world).carried))
        await world.crash()
        await world.start()
        await world.until_published(1)
        assert await world.is_true()


@pytest.mark.parametrize("reads", ["night", "past day"])
async def test_no_file_is_waited_for_where_the_daemon_is_stopping(tmp_path: Path, reads: str) -> None:
    async with night(
        tmp_path, [SMALL], None if reads == "past day" else [office_settings(reader=Reader.SFTP)]
    ) as world:
        mailroom(world).spoil = lost
        if reads == "past day":
            await world.until_published(1)
            await order(world)
        await world.until_time(world.clock.now() + timedelta(seconds=20))
        assert len(mailroom(world).carried) == 1
        since = world.clock.now()
        await world.drain()
        assert world.clock.now() - since < timedelta(seconds=5)
        mailroom(world).spoil = unspoilt
        await world.start()
        await world.until_published(1 if reads == "night" else 2)
        assert world.events("backfill_failed") == world.events("failure") == []


async def test_an_office_whose_file_is_too_large_is_blocked_and_names_the_setting(tmp_path: Path) -> None:
    async with by_upload(tmp_path, SMALL) as world:
        mailroom(world).bytes_max = 100
        await world.until_is(Condition.BLOCKED)
        assert world.explains(Condition.BLOCKED, Owner.US, "`bytes_max` of `[sftp]`", "more than 100 bytes")
        assert "firewall" not in world.standing().advice


# --- past days --------------------------------------------------------------------------------------------------------


async def test_the_operators_query_is_uploaded_counted_and_stored(tmp_path: Path) -> None:
    async with night(tmp_path, [SMILE]) as world:
        await world.until_published(1)
        before = await world.balances()
        await order(world)
        await world.until_said("backfill_published")
        async with SqliteDatabase.open_for_reading(world.settings.state.database) as database:
            outcome = (await backfilled_days.load_outcomes(database))["smile", DAY]
        day, held = read_backfilled_day(world.settings.state.database, "smile", DAY)
        assert (day.via, outcome.requests) == (BackfillMethod.SFTP, 2)
        assert world.was_true(held, "smile")
        assert await world.balances() == before
        rows, count = mailroom(world).carried
        assert DAY.isoformat() in rows.sql
        assert count.sql.startswith("SELECT COUNT(*)")


async def test_no_rows_are_a_day_without_balances(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.until_published(1)
        await order(world, f"{QUERY} AND PatNum<0")
        await world.until_said("backfill_published")
        assert world.events("backfill_published")[0]["guarantors"] == 0
        (document,) = (await desk(world).list_jobs())["backfills"]
        assert "is the date right?" in document["warning"]


async def test_a_header_without_rows_is_a_day_without_balances_too(tmp_path: Path) -> None:
    header = f"{QUERY.removeprefix('SELECT ').partition(' ')[0]}\r\n".encode()
    async with night(tmp_path, [SMALL]) as world:
        await world.until_published(1)
        mailroom(world).spoil = lambda content: header if content == b"OK" else content
        await order(world, f"{QUERY} AND PatNum<0")
        await world.until_said("backfill_published")
        assert world.events("backfill_published")[0]["guarantors"] == 0


async def test_an_order_that_backs_off_lets_the_others_go_and_tells_its_step(tmp_path: Path) -> None:
    others = [BackfillTarget("smile", DAY - timedelta(days=days)) for days in (1, 2)]
    async with night(tmp_path, [SMALL]) as world:
        await world.until_published(1)
        mailroom(world).spoil = lost
        await order(world)
        await world.until_time(world.clock.now() + timedelta(seconds=5))
        await desk(world).submit(others, 0)
        first, second, _ = (await desk(world).list_jobs())["backfills"]
        assert first["step"] == "waiting_for_file"
        assert second["reason"] == f"The order for {DAY} is carried out first."
        await world.until_said("backfill_published", count=2)
        assert len(mailroom(world).carried) == 1, "who has failed comes after who has not"
        first, *published = (await desk(world).list_jobs())["backfills"]
        assert (first["stage"], {each["stage"] for each in published}) == ("open", {"done"})
        assert "did not come" in first["reason"]


async def test_a_cancelled_order_waits_for_no_file_any_more(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.until_published(1)
        mailroom(world).spoil = lost
        await order(world)
        await world.until_time(world.clock.now() + timedelta(seconds=5))
        await desk(world).cancel("smile", [], 0)
        await desk(world).submit([BackfillTarget("smile", DAY)], 0)
        since = world.clock.now()
        await world.until_said("backfill_published")
        assert world.clock.now() - since < timedelta(minutes=1)
        assert world.events("backfill_failed") == []


@pytest.mark.parametrize(
    "spoil", [without_line, cut, lambda _: b"OK"], ids=["a line is missing", "cut off", "said to be none"]
)
async def test_what_the_office_does_not_count_is_never_stored(tmp_path: Path, spoil: Spoil) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.until_published(1)
        mailroom(world).spoil = lambda content: content if content.startswith(b"COUNT") else spoil(content)
        await order(world)
        await world.until(lambda: any(line["retry_at"] is None for line in world.events("backfill_failed")))
        async with SqliteDatabase.open_for_reading(world.settings.state.database) as database:
            assert await backfilled_days.load_outcomes(database) == {}


async def test_a_file_that_is_too_large_ends_the_order_and_names_the_setting(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.until_published(1)
        mailroom(world).bytes_max = 100
        await order(world)
        await world.until_said("backfill_failed")
        (line,) = world.events("backfill_failed")
        assert line["retry_at"] is None
        assert "`bytes_max` of `[sftp]`" in line["reason"]


@pytest.mark.parametrize("file", ["rows", "count"])
async def test_a_file_that_is_taken_away_again_is_asked_for_anew(tmp_path: Path, file: str) -> None:
    """Its owner may remove what it has written, and does so where it believes that it failed."""
    async with night(tmp_path, [SMALL]) as world:
        await world.until_published(1)
        mailroom(world).taken_away = 1 if file == "rows" else 2
        await order(world)
        await world.until_said("backfill_published")
        assert "No such file" in world.events("backfill_failed")[0]["reason"]


async def test_an_upload_that_has_no_place_is_told_and_tried_again(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.until_published(1)
        mailroom(world).directory = tmp_path / "uploads"
        await order(world)
        await world.until_said("backfill_failed")
        assert f"{tmp_path / 'uploads'}: No such file or directory" in world.events("backfill_failed")[0]["reason"]
        (tmp_path / "uploads").mkdir()
        await world.until_said("backfill_published")


async def test_a_query_that_the_office_refuses_ends_the_order(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.until_published(1)
        await order(world, "SELECT nonsense FROM patient WHERE '{as_of}'<>''")
        await world.until_said("backfill_failed")
        (line,) = world.events("backfill_failed")
        assert line["retry_at"] is None
        assert line["reason"].endswith(OWN_QUERY_ADVICE)


async def test_a_file_as_most_are_saved_is_understood(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.until_published(1)
        await order(world, f"-- Who owes what.\n{QUERY};\n")
        await world.until_said("backfill_published")


async def test_a_query_without_the_columns_says_which(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.until_published(1)
        await order(world, "SELECT PatNum,BalTotal FROM patient WHERE '{as_of}'<>'' AND PatNum=Guarantor")
        await world.until_said("backfill_failed")
        assert "no column for bal_0_30" in world.events("backfill_failed")[0]["reason"]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("SELECT 1", "where the day goes"),
        ("DELETE FROM t WHERE d='{as_of}'", "must be a SELECT"),
        (f"SET @day=1; {QUERY}", "several statements"),
    ],
)
async def test_a_query_that_cannot_be_used_is_refused_at_once(tmp_path: Path, query: str, words: str) -> None:
    async with night(tmp_path, [SMALL]) as world:
        with pytest.raises(CommandRejected, match=words):
            await order(world, query)


async def test_without_a_receiver_the_order_is_refused_with_what_to_set(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL], running=False) as world:
        world.mailroom = None
        await world.start()
        with pytest.raises(CommandRejected) as caught:
            await order(world)
        assert "[sftp] listen" in caught.value.advice


async def test_keys_and_passwords_are_said_nowhere(tmp_path: Path) -> None:
    async with by_upload(tmp_path, SMALL) as world:
        await world.until_published(1)
        said: Callable[[str], bool] = lambda text: any(text in str(line) for line in world.lines)  # noqa: E731
        (carried,) = mailroom(world).carried
        assert not said(carried.password)
        assert not said(carried.username)
        await world.until_time(world.clock.now() + timedelta(minutes=1))
