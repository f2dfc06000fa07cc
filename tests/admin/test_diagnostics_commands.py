"""Examinations by the daemon that watches the office: the night's promises hold, its key's pace among them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from oddaemon.admin.commands import CommandRejected, RejectionKind
from oddaemon.admin.diagnostics_commands import DiagnosticJobs
from oddaemon.core.diagnostics.diagnosis import CheckName, parse_diagnosis
from oddaemon.core.model import Condition, Reader
from oddaemon.core.office.state import OfficeCommand
from oddaemon.simulator.headquarters.options import HeadquartersOptions
from tests.engine.night import DUE, SMALL, SMILE, make_office_settings, night
from tests.engine.world import World
from tests.golden import GoldenTexts

STARTED = "Started the diagnosis of smile."


def get_jobs(world: World) -> DiagnosticJobs:
    return world.daemon.admin.diagnostics


async def wait_for_diagnosis(world: World, office_id: str = "smile") -> Any:
    """The daemon's result, once it is done."""
    while not (progress := await get_jobs(world).get_status(office_id))["diagnosis"]:
        assert progress["outcome"] == "in_progress"
        await anyio.sleep(0.5)
    assert progress["outcome"] == "done"
    return progress["diagnosis"]


async def test_a_diagnosis_during_a_pull_disturbs_neither_the_pull_nor_the_rate(
    tmp_path: Path,
) -> None:
    slow = HeadquartersOptions(base_seconds=2.0)
    async with night(tmp_path, [SMILE], [make_office_settings(reader=Reader.PAGES)], options=slow) as world:
        await world.wait_until(lambda: world.daemon.fleet.now() > DUE)
        await world.wait_for_condition(Condition.PULLING)
        assert await get_jobs(world).start("smile", 1000) == STARTED
        found = parse_diagnosis(await wait_for_diagnosis(world))
        assert found.is_healthy, found.failed_checks
        assert found.asked_by == "daemon"
        await world.wait_for_snapshots(2)
        assert await world.is_true()


async def test_a_second_request_joins_the_running_diagnosis(tmp_path: Path, golden: GoldenTexts) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.wait_for_snapshots(1)
        before = len(world.list_requests())
        assert await get_jobs(world).start("smile", 1000) == STARTED
        golden.check(await get_jobs(world).start("smile", 1000))
        await wait_for_diagnosis(world)
        assert len(world.list_requests()) == before + 13  # no developer's name is configured
        assert [line["command"] for line in world.lines if line["event"] == "command_received"] == [
            "examine",
            "examine",
        ]


async def test_a_paused_office_is_diagnosed_as_well(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL], [make_office_settings(enabled=False)]) as world:
        await world.wait_for_condition(Condition.PAUSED)
        await get_jobs(world).start("smile", 1000)
        assert (await wait_for_diagnosis(world))["healthy"]


async def test_a_diagnosis_cut_by_the_end_of_the_daemon_is_discarded(tmp_path: Path, golden: GoldenTexts) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.wait_for_snapshots(1)
        await get_jobs(world).start("smile", 1000)
        await anyio.sleep(3)
        diagnoses = get_jobs(world)
        await world.stop()
        with pytest.raises(CommandRejected) as caught:
            await diagnoses.get_status("smile")
        golden.check(caught.value)


async def test_an_office_without_a_worker_is_left_to_the_client(tmp_path: Path, golden: GoldenTexts) -> None:
    async with night(tmp_path, [SMALL]) as world:
        with pytest.raises(CommandRejected) as refusal:
            await get_jobs(world).start("smiles", 1000)
        assert refusal.value.kind is RejectionKind.NO_WORKER
        with pytest.raises(CommandRejected) as caught:
            await get_jobs(world).get_status("smile")
        golden.check(caught.value)


async def test_a_diagnosis_uses_the_active_settings(tmp_path: Path, golden: GoldenTexts) -> None:
    async with night(tmp_path, [SMALL]) as world:
        api = world.settings.api.model_copy(update={"developer_name": "oddaemon"})
        await world.apply(replace(world.settings, api=api))
        await get_jobs(world).start("smile", 1000)
        found = parse_diagnosis(await wait_for_diagnosis(world))
        golden.check(found.checks[CheckName.OUR_KEY].sentence)


async def test_a_crash_of_a_diagnosis_is_reported_and_ends_nothing(tmp_path: Path, golden: GoldenTexts) -> None:
    async with night(tmp_path, [SMALL], crashes=True) as world:
        await world.wait_for_snapshots(1)
        world.injected_crashes["smile"] = 1
        await get_jobs(world).start("smile", 1000)
        with pytest.raises(CommandRejected) as caught:
            await wait_for_diagnosis(world)
        golden.check(caught.value)
        failed = world.find_events("job_failed", "")[-1]
        assert (failed["job"], "_crash_on_event" in failed["traceback"]) == ("examine smile", True)
        assert await get_jobs(world).start("smile", 1000) == STARTED
        assert (await wait_for_diagnosis(world))["healthy"]


def test_a_diagnosis_is_no_office_command() -> None:
    assert "examine" not in set(OfficeCommand)
