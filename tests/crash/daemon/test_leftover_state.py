"""Two databases of one scenario are equal whenever it ran, and differ by a cent, a failure or a row too many."""

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from oddaemon.core.office.state import OfficeState
from oddaemon.store import journal, snapshots
from oddaemon.store.sqlite.connection import SqliteDatabase
from tests.crash.kill_points import KillPoint, draw_random_kill, iterate_boundaries
from tests.crash.leftover_state import dump_state, find_problems
from tests.store.configured import register_offices
from tests.store.samples import ELM, HARBOR, NOW, OFFICES, make_balances, make_snapshot, make_state

LATER = NOW + timedelta(hours=5, seconds=3)


def make_state_at(now: datetime) -> OfficeState:
    blank = make_state()
    return replace(blank, not_before=now, standing=replace(blank.standing, since=now, next_action_at=now))


async def publish_and_dump(
    database: Path,
    now: datetime,
    office_ids: tuple[str, ...] = (ELM, HARBOR),
    edit: Callable[[OfficeState], OfficeState] = lambda state: state,
) -> bytes:
    """Two nights of two offices, as they stood then."""
    async with SqliteDatabase.open(str(database)) as db:
        await register_offices(db, OFFICES)
        for night in (1, 2):
            for office_id in office_ids:
                published_snapshot = replace(
                    make_snapshot(make_balances(20, seed=night), night), observed_at=now + timedelta(days=night)
                )
                await snapshots.publish(
                    db, office_id, published_snapshot, edit(make_state_at(now)), now + timedelta(days=night, seconds=1)
                )
    return dump_state(database)


async def test_another_hour_and_another_order_of_offices_make_no_difference(tmp_path: Path) -> None:
    first = await publish_and_dump(tmp_path / "first.db", NOW)
    second = await publish_and_dump(
        tmp_path / "second.db", LATER, (HARBOR, ELM), lambda state: replace(state, skew_seconds=-1.4)
    )
    third = await publish_and_dump(tmp_path / "third.db", LATER, edit=lambda state: replace(state, skew_seconds=0.9))
    assert second == third
    assert first.replace(b'"skew_seconds": null', b'"skew_seconds": "0 min"') == second
    assert find_problems(tmp_path / "second.db") == []


async def test_the_journal_is_not_compared(tmp_path: Path) -> None:
    before = await publish_and_dump(tmp_path / "dumped.db", NOW)
    async with SqliteDatabase.open(str(tmp_path / "dumped.db")) as db:
        await journal.append(db, [journal.JournalEntry(ELM, NOW, "info", "office_started", {})], entries_max=10)
    assert dump_state(tmp_path / "dumped.db") == before


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE balance SET bal_total = bal_total + 1 WHERE pat_num = 100 AND valid_to IS NULL",
        "UPDATE office SET state = replace(state, '\"attempts\":0', '\"attempts\":1')",
        "UPDATE office SET not_before = NULL",
        "UPDATE snapshot SET requests = requests + 1 WHERE id = 1",
        "INSERT INTO pull_page (office, balances, checkpoint) VALUES (1, '[]', '{}')",
    ],
)
async def test_anything_else_does(tmp_path: Path, damage: str) -> None:
    before = await publish_and_dump(tmp_path / "dumped.db", NOW)
    with closing(sqlite3.connect(tmp_path / "dumped.db", isolation_level=None)) as connection:
        connection.execute(damage)
    assert dump_state(tmp_path / "dumped.db") != before


def test_every_kill_can_be_named_on_a_command_line() -> None:
    rng = random.Random(1)
    kills = [*iterate_boundaries(9, 5, rng), *(draw_random_kill(9, rng) for _ in range(50))]
    assert [KillPoint.parse(str(kill)) for kill in kills] == kills
