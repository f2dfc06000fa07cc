"""What a key may not do needs a human: one is named, and until then only slow questions are asked."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from oddaemon.core.failures.failure import FailureKind
from oddaemon.core.model import Condition, Owner
from oddaemon.simulator.api.messages import Endpoint
from oddaemon.simulator.faults.faults import Fault, KeyDisabled, KeyUnassigned, OldVersion, PermissionMissing
from tests.engine.night import SMALL, make_office_settings, night, replace_credentials, schedule_fault, time_after_start
from tests.golden import GoldenTexts

BLOCKING = [
    (KeyDisabled(), Owner.OFFICE, "key_rejected", "API key is disabled."),
    (KeyUnassigned(), Owner.OFFICE, "key_unassigned", "API key has not been assigned."),
    (OldVersion(), Owner.OFFICE, "version_too_old", "Error. This is most likely a version issue."),
]


@pytest.mark.parametrize(("fault", "owner", "kind", "text"), BLOCKING, ids=lambda value: str(value)[:25])
async def test_a_key_that_does_not_work_blocks_the_office_until_it_does(
    tmp_path: Path, fault: Fault, owner: Owner, kind: str, text: str
) -> None:
    async with night(
        tmp_path, [SMALL], faults=[schedule_fault(fault, time_after_start(minutes=10), time_after_start(hours=4))]
    ) as world:
        await world.wait_for_condition(Condition.BLOCKED)
        assert world.assert_explained(Condition.BLOCKED, owner, text)
        previous, since = await world.read_balances(), world.get_status().since
        await world.sleep_until(time_after_start(hours=3.9))
        assert world.assert_explained(Condition.BLOCKED, owner, text)
        assert world.get_status().since == since
        assert set(world.list_failure_kinds()) == {kind}
        assert len(world.list_requests(since=since)) <= 8
        assert await world.read_balances() == previous
        await world.wait_for_snapshots(2, within=timedelta(minutes=38))
        assert world.assert_explained(Condition.FRESH, None, "2026-03-03")
        assert await world.is_true()


async def test_a_missing_permission_is_named_once_a_request_has_shown_that_the_key_works(
    tmp_path: Path, golden: GoldenTexts
) -> None:
    fault = schedule_fault(PermissionMissing(), time_after_start(minutes=10), time_after_start(hours=4))
    async with night(tmp_path, [SMALL], faults=[fault]) as world:
        await world.wait_for_condition(Condition.BLOCKED)
        assert world.assert_explained(Condition.BLOCKED, Owner.US)
        golden.check(world.get_status().reason)
        assert "Queries permission" in world.get_status().advice
        refused = next(at for at, each in enumerate(world.list_requests()) if each.status == 401)
        asked = world.list_requests()[refused:]
        assert [each.kind for each in asked if each.status == 401] == [Endpoint.SHORT_QUERY] * 2
        assert asked[-1].kind is Endpoint.PREFERENCES
        assert asked[-1].status == 200
        since = world.clock.now()
        await world.sleep_until(time_after_start(hours=3.9))
        assert world.assert_explained(Condition.BLOCKED, Owner.US, "Queries permission")
        assert [line["after"] for line in world.find_events("condition_changed")][-1] == "blocked"
        assert len(world.list_requests(since=since)) <= 7 * 12
        await world.wait_for_snapshots(2, within=timedelta(minutes=38))
        assert world.list_published()[1]["reader"] == "statement"
        assert await world.is_true()


async def test_a_key_without_queries_from_the_first_day_is_blocked_and_named(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL], faults=[schedule_fault(PermissionMissing())]) as world:
        await world.wait_for_condition(Condition.BLOCKED)
        assert world.assert_explained(Condition.BLOCKED, Owner.US, "Queries permission")
        assert world.list_published() == []


async def test_a_version_without_queries_is_blocked_and_named(tmp_path: Path) -> None:
    async with night(tmp_path, [replace(SMALL, program_version="20.5.1.0")]) as world:
        await world.wait_for_condition(Condition.BLOCKED)
        assert world.assert_explained(Condition.BLOCKED, Owner.OFFICE, FailureKind.VERSION_TOO_OLD, "version issue")
        assert "21.2" in world.get_status().advice


async def test_a_wrong_key_is_blocked_and_never_shown(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL], [make_office_settings(key="planted-wrong-key")]) as world:
        await world.wait_for_condition(Condition.BLOCKED)
        assert world.assert_explained(Condition.BLOCKED, Owner.US, FailureKind.KEY_NEVER_ACCEPTED, "not valid")
        assert set(world.list_failure_kinds()) == {"key_never_accepted"}
        await world.sleep_until(time_after_start(hours=12))
        assert len(world.headquarters.traffic) <= 25


async def test_a_missing_permission_of_an_office_without_a_zone_is_named_too(tmp_path: Path) -> None:
    async with night(
        tmp_path, [SMALL], [make_office_settings(zone=None)], faults=[schedule_fault(PermissionMissing())]
    ) as world:
        await world.wait_for_condition(Condition.BLOCKED)
        assert world.assert_explained(Condition.BLOCKED, Owner.US, "Queries permission")


async def test_an_address_that_the_api_does_not_know_is_ours_to_correct(tmp_path: Path) -> None:
    office = replace_credentials(make_office_settings(), base_url="http://127.0.0.1:1/api")
    async with night(tmp_path, [SMALL], [office]) as world:
        await world.wait_for_condition(Condition.BLOCKED)
        assert world.assert_explained(Condition.BLOCKED, Owner.US, FailureKind.NOT_FOUND)
        assert "base_url" in world.get_status().advice
