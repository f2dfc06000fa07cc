"""A database of the program before the restructuring works unchanged: it reads the same, and work continues with it."""

import json
import shutil
from pathlib import Path

import anyio
import pytest

from oddaemon.core.model import Condition
from oddaemon.simulator.virtual_time import make_virtual_loop
from oddaemon.store import offices
from oddaemon.store.schema import REVISIONS
from oddaemon.store.sqlite.connection import SqliteDatabase
from tests.contracts.make_database import (
    DATABASE,
    DOCUMENTS,
    OFFICES,
    STORED,
    documents,
    read_stored,
    settings_in,
    two_nights,
)
from tests.engine.delivery.fake_consumer import SinkBehavior

ADDED_TO_STATE: dict[str, object] = {
    "stale": None,
    "awaits_api": False,
    "statement_not_before": None,
    "completions": [],
    "incomplete_at": None,
}
"""Fields that are new since then, with their defaults."""

pytestmark = pytest.mark.event_loop(factory=make_virtual_loop)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    settings_in(tmp_path)
    path = tmp_path / DATABASE.name
    shutil.copyfile(DATABASE, path)
    return path


def test_it_is_shown_as_before(copy: Path) -> None:
    actual, expected = documents(copy.parent), json.loads(DOCUMENTS.read_text())
    assert actual.keys() == expected.keys()
    expected["state verify"]["revision"] = REVISIONS[-1]
    for name, document in expected.items():
        assert _drop_added(actual[name], document) == document, name


def _drop_added(actual: object, expected: object) -> object:
    """What is shown, without the fields that a later version has added."""
    match actual, expected:
        case dict(), dict():
            return {key: _drop_added(each, expected[key]) for key, each in actual.items() if key in expected}
        case list(), list() if len(actual) == len(expected):
            return [_drop_added(each, other) for each, other in zip(actual, expected, strict=True)]
    return actual


def test_every_state_and_checkpoint_is_understood_and_written_as_before(copy: Path) -> None:
    """A field that is called otherwise in the JSON of a column would silently reset an office."""

    async def rewrite() -> None:
        async with SqliteDatabase.open(str(copy)) as database:
            rows = await offices.list_all(database)
            assert {row.id for row in rows} == {*OFFICES, "left"}
            for row in rows:
                assert row.state is not None, f"the state of {row.id} is not understood"
                await offices.save_state(database, row.id, row.state)

    expected = json.loads(STORED.read_text())
    assert read_stored(copy) == expected
    anyio.run(rewrite)
    for state in expected["states"].values():
        state.update(ADDED_TO_STATE)
    assert read_stored(copy) == expected


async def test_the_night_goes_on_with_it(tmp_path: Path) -> None:
    """The same two nights lived again; then the old database in the place of the one that they left."""
    async with two_nights(tmp_path) as (world, hook):
        for name in ("", "-wal", "-shm"):
            (tmp_path / f"{DATABASE.name}{name}").unlink(missing_ok=True)
        shutil.copyfile(DATABASE, tmp_path / DATABASE.name)
        hook.plan(SinkBehavior.ACCEPTS)
        before, asked = len(world.find_events("pull_started", "hill")), len(world.list_requests("oak"))
        await world.start()
        assert world.get_condition("oak") is Condition.PAUSED
        assert world.get_condition("mesa") is Condition.SUSPECT
        await world.wait_for_snapshots(2, "hill")
        assert world.find_events("pull_started", "hill")[before]["resumed_rows"] == 27
        await world.wait_for_snapshots(2, "mesa")
        await world.wait_for_event("backfill_published", 3)
        for office_id in ("elm", "hill", "mesa", "smile"):
            last = world.list_published(office_id)[-1]["snapshot_id"]
            await world.wait_until(lambda office=office_id, wanted=last: wanted in hook.book.list_snapshot_ids(office))  # type: ignore[misc]  # mypy knows no defaults of lambdas
            assert world.get_condition(office_id) is Condition.FRESH
            assert hook.book.get_balances(office_id) == await world.read_balances(office_id)
        assert len(world.list_requests("oak")) == asked
