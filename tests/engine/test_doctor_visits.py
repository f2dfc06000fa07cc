"""Examinations by the daemon that watches the office: the night's promises hold, its key's pace among them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from oddaemon.admin.commands import CommandRejected, RejectionKind
from oddaemon.admin.diagnostics_commands import DiagnosticJobs
from oddaemon.admin.office_commands import OfficeCommand
from oddaemon.core.diagnostics.document import parse_diagnosis
from oddaemon.core.model import Condition, Reader
from oddaemon.simulator.headquarters.options import HeadquartersOptions
from tests.engine.night import DUE, SMALL, SMILE, night, office_settings
from tests.engine.world import World

BEGUN = "Started the diagnosis of smile."


def visits_of(world: World) -> DiagnosticJobs:
    return world.daemon.admin.diagnostics


async def examination(world: World, office_id: str = "smile") -> Any:
    """What the daemon tells, once it is done."""
    while not (told := await visits_of(world).get_status(office_id))["diagnosis"]:
        assert told["outcome"] == "in_progress"
        await anyio.sleep(0.5)
    assert told["outcome"] == "done"
    return told["diagnosis"]


async def test_an_examination_in_the_middle_of_a_pull_disturbs_neither_the_pull_nor_the_keys_pace(
    tmp_path: Path,
) -> None:
    slow = HeadquartersOptions(base_seconds=2.0)
    async with night(tmp_path, [SMILE], [office_settings(reader=Reader.PAGES)], options=slow) as world:
        await world.until(lambda: world.daemon.fleet.now() > DUE)
        await world.until_is(Condition.PULLING)
        assert await visits_of(world).start("smile", 1000) == BEGUN
        found = parse_diagnosis(await examination(world))
        assert found.is_healthy, found.failed_checks
        assert found.asked_by == "daemon"
        await world.until_published(2)
        assert await world.is_true()


async def test_whoever_orders_an_examination_that_is_under_way_is_shown_that_one(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.until_published(1)
        before = len(world.exchanges())
        assert await visits_of(world).start("smile", 1000) == BEGUN
        assert await visits_of(world).start("smile", 1000) == "The diagnosis of smile is already running."
        await examination(world)
        assert len(world.exchanges()) == before + 13  # no developer's name is configured
        assert [line["command"] for line in world.lines if line["event"] == "command_received"] == [
            "examine",
            "examine",
        ]


async def test_a_paused_office_is_examined_as_well(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL], [office_settings(enabled=False)]) as world:
        await world.until_is(Condition.PAUSED)
        await visits_of(world).start("smile", 1000)
        assert (await examination(world))["healthy"]


async def test_an_examination_that_the_end_of_the_daemon_cuts_was_none(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.until_published(1)
        await visits_of(world).start("smile", 1000)
        await anyio.sleep(3)
        visits = visits_of(world)
        await world.stop()
        with pytest.raises(CommandRejected, match="There is no diagnosis"):
            await visits.get_status("smile")


async def test_an_office_at_which_nobody_works_is_left_to_whoever_asks(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        with pytest.raises(CommandRejected) as refusal:
            await visits_of(world).start("smiles", 1000)
        assert refusal.value.kind is RejectionKind.NO_WORKER
        with pytest.raises(CommandRejected, match="There is no diagnosis"):
            await visits_of(world).get_status("smile")


async def test_the_settings_in_force_are_those_that_it_is_examined_with(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        api = world.settings.api.model_copy(update={"developer_name": "oddaemon"})
        await world.apply(replace(world.settings, api=api))
        await visits_of(world).start("smile", 1000)
        found = parse_diagnosis(await examination(world))
        assert found.checks[-1].sentence == "The office holds it."


async def test_an_error_of_our_own_in_an_examination_is_told_and_ends_nothing(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL], crashes=True) as world:
        await world.until_published(1)
        world.mines["smile"] = 1
        await visits_of(world).start("smile", 1000)
        with pytest.raises(CommandRejected, match="internal error ended the job: ProgrammersError"):
            await examination(world)
        failed = world.events("job_failed", "")[-1]
        assert (failed["job"], "handle_async_request" in failed["traceback"]) == ("examine smile", True)
        assert await visits_of(world).start("smile", 1000) == BEGUN
        assert (await examination(world))["healthy"]


def test_an_examination_is_no_order_that_changes_an_office() -> None:
    assert "examine" not in set(OfficeCommand)
