"""Backups in a loop while a whole fleet pulls: each is of one instant, and verifies."""

from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from oddaemon.core.model import Reader
from oddaemon.simulator.headquarters.options import HeadquartersOptions
from oddaemon.simulator.virtual_time import make_virtual_loop
from oddaemon.store.history.integrity import Verification
from oddaemon.store.sqlite.location import parse_database_path
from oddaemon.store.sqlite.maintenance.backup import back_up
from oddaemon.store.sqlite.maintenance.integrity import verify
from tests.engine.night import SMALL, SMILE, make_office_settings, night, time_after_start

pytestmark = pytest.mark.event_loop(factory=make_virtual_loop)

FLEET = [replace(SMILE if number % 2 else SMALL, office_id=f"office-{number}", seed=number) for number in range(6)]


async def test_every_backup_of_a_night_verifies(tmp_path: Path) -> None:
    wanted = [make_office_settings(spec.office_id, reader=Reader.PAGES) for spec in FLEET]
    backups: list[Verification] = []
    async with night(tmp_path, FLEET, wanted, options=HeadquartersOptions(base_seconds=0.7)) as world:
        source = parse_database_path(world.settings.state.database_url.reveal())
        # Both pulls of every office, a step of a few requests at a time; hours in which nothing happens at one go.
        for begins, seconds in ((time_after_start(), 15.0), (time_after_start(hours=1), 45.0)):
            await world.sleep_until(begins)
            for number in range(12):
                target = tmp_path / f"backup-{begins:%H}-{number}.db"
                await anyio.to_thread.run_sync(back_up, source, target)
                backups.append(await anyio.to_thread.run_sync(verify, target))
                await anyio.sleep(seconds)
        await world.wait_until(lambda: all(len(world.list_published(spec.office_id)) >= 2 for spec in FLEET))
    assert [found.problems for found in backups] == [[]] * 24
    counted = [found.snapshots for found in backups]
    assert counted == sorted(counted)
    assert len(set(counted)) > 2
