"""A customer key that is changed by a reload: both are tried while Open Dental makes up its mind."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from oddaemon.core.diagnostics.diagnosis import CheckName, parse_diagnosis
from oddaemon.core.failures.failure import FailureKind
from oddaemon.core.model import Condition, Owner, Reader
from oddaemon.core.reporting.status_document import make_status_document
from oddaemon.engine.offices.fleet_state import make_office_status
from oddaemon.simulator.api.keys import ApiKey
from oddaemon.simulator.headquarters.options import HeadquartersOptions
from tests.admin.test_diagnostics_commands import wait_for_diagnosis
from tests.engine.night import DUE, SMALL, SMILE, make_office_settings, night, replace_offices, time_after_start
from tests.engine.request_recorder import CUSTOMER_KEY_PREFIX
from tests.engine.world import World
from tests.golden import GoldenTexts

OLD, NEW = CUSTOMER_KEY_PREFIX + "smile", CUSTOMER_KEY_PREFIX + "smile-next"
CHANGED_AT = time_after_start(minutes=30)
GRACE = timedelta(minutes=15)


def make_keys(new_from: datetime, old_until: datetime | None = None) -> list[ApiKey]:
    return [
        ApiKey(OLD, "smile", in_force_until=old_until),
        ApiKey(NEW, "smile", label="smile, next key", in_force_from=new_from),
    ]


async def change_key(world: World, key: str = NEW, at: datetime = CHANGED_AT) -> None:
    await world.sleep_until(at)
    await world.apply(replace_offices(world.settings, (make_office_settings(key=key),)))


def list_statuses(world: World, name: str, since: datetime) -> list[int | None]:
    return [each.status for each in world.headquarters.traffic if each.key == name and each.arrived >= since]


async def test_while_the_new_key_is_not_accepted_the_previous_one_is_used(tmp_path: Path) -> None:
    keys = make_keys(new_from=CHANGED_AT + timedelta(minutes=9))
    async with night(tmp_path, [SMALL], keys=keys) as world:
        await change_key(world)
        await world.wait_for_event("key_rotated")
        assert not [line for line in world.find_events("condition_changed") if line["after"] == "blocked"]
        assert set(list_statuses(world, "smile, next key", CHANGED_AT)) == {400, 200}
        in_force = world.clock.now()
        await world.wait_for_snapshots(2)
        assert await world.is_true()
        assert list_statuses(world, "smile", in_force) == [], "the previous key is forgotten"


async def test_when_neither_key_works_the_office_is_not_blocked_before_the_time_is_over(
    tmp_path: Path, golden: GoldenTexts
) -> None:
    keys = make_keys(new_from=CHANGED_AT + timedelta(hours=3), old_until=CHANGED_AT)
    async with night(tmp_path, [SMALL], keys=keys) as world:
        await change_key(world)
        await world.wait_for_condition(Condition.UNREACHABLE)
        assert world.assert_explained(Condition.UNREACHABLE, Owner.VENDOR, FailureKind.KEY_CHANGING)
        assert world.clock.now() < CHANGED_AT + GRACE
        await world.wait_for_condition(Condition.BLOCKED)
        assert world.clock.now() >= CHANGED_AT + GRACE
        assert world.assert_explained(Condition.BLOCKED, Owner.OFFICE)
        golden.check(world.get_status().reason)
        refused = list_statuses(world, "smile", CHANGED_AT)
        assert 1 <= len(refused) <= 15, "the previous key is not tried too often"
        await world.wait_for_snapshots(2)
        assert await world.is_true()
        assert list_statuses(world, "smile", CHANGED_AT + GRACE) == []


async def test_a_wrong_new_key_is_shown_during_the_rotation_and_ours_afterwards(
    tmp_path: Path, golden: GoldenTexts
) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await change_key(world, "mistyped-key")
        await world.wait_for_event("key_rejected_during_rotation")
        view = world.daemon.fleet.offices["smile"]
        assert view.key_rotation is not None
        assert view.key_rotation.previous_accepted
        assert timedelta() <= view.key_rotation.ends_at - (CHANGED_AT + GRACE) < timedelta(minutes=1)
        [document] = make_status_document([make_office_status(view)], world.get_daemon_now())["offices"]
        assert document["key_trial"] is not None
        office_view = await world.daemon.view_builder.build_office("smile")
        assert office_view is not None
        assert office_view.key_rotation == view.key_rotation

        await world.daemon.admin.diagnostics.start("smile", 1000)
        found = parse_diagnosis(await wait_for_diagnosis(world))
        assert list(found.failed_checks) == [CheckName.CUSTOMER_KEY]
        failed_check = found.failed_checks[CheckName.CUSTOMER_KEY]
        assert failed_check.owner is Owner.US
        golden.check(failed_check.sentence)
        assert "any more" not in failed_check.message
        assert world.get_condition() is not Condition.BLOCKED

        await world.wait_for_condition(Condition.BLOCKED)
        assert world.assert_explained(Condition.BLOCKED, Owner.US, FailureKind.KEY_NEVER_ACCEPTED)
        await world.apply(replace_offices(world.settings, (make_office_settings(key=OLD),)))
        await world.wait_for_snapshots(2)
        assert view.key_rotation is None


async def test_a_diagnosis_accepted_with_the_new_key_ends_the_rotation(tmp_path: Path) -> None:
    keys = make_keys(new_from=CHANGED_AT + timedelta(minutes=1))
    async with night(tmp_path, [SMALL], keys=keys) as world:
        await change_key(world)
        await world.wait_for_event("key_rejected_during_rotation")
        await world.sleep_until(CHANGED_AT + timedelta(minutes=2))
        await world.daemon.admin.diagnostics.start("smile", 1000)
        assert (await wait_for_diagnosis(world))["healthy"]
        assert world.daemon.fleet.offices["smile"].key_rotation is None


async def test_a_new_key_that_works_at_once_is_the_only_one_used(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL], keys=make_keys(new_from=time_after_start())) as world:
        await change_key(world)
        await world.wait_for_snapshots(2)
        assert list_statuses(world, "smile", CHANGED_AT) == []
        assert len(world.find_events("key_rotated")) == 1


@pytest.mark.parametrize("reader", [Reader.STATEMENT, Reader.PAGES])
async def test_a_key_that_changes_during_a_pull_loses_and_doubles_nothing(tmp_path: Path, reader: Reader) -> None:
    """A session keeps to the key that it began with, whichever comes into force meanwhile."""
    keys = make_keys(new_from=DUE + timedelta(minutes=3))
    offices = [make_office_settings(reader=reader)]
    async with night(tmp_path, [SMILE], offices, keys=keys, options=HeadquartersOptions(base_seconds=2)) as world:
        await world.wait_for_event("pull_started")
        at = world.clock.now() + timedelta(seconds=3)
        await world.sleep_until(at)
        await world.apply(replace_offices(world.settings, (make_office_settings(key=NEW, reader=reader),)))
        await world.wait_for_snapshots(2)
        assert await world.is_true()


async def test_a_key_that_is_changed_back_is_no_change(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL], keys=make_keys(new_from=time_after_start(hours=9))) as world:
        await change_key(world)
        await change_key(world, OLD, CHANGED_AT + timedelta(minutes=2))
        since = world.clock.now()
        await world.wait_for_snapshots(2)
        assert list_statuses(world, "smile, next key", since) == []


async def test_a_second_change_keeps_the_key_that_worked(tmp_path: Path) -> None:
    keys = [
        *make_keys(new_from=time_after_start(hours=9)),
        ApiKey(f"{NEW}-2", "smile", label="third", in_force_from=time_after_start(hours=9)),
    ]
    async with night(tmp_path, [SMALL], keys=keys) as world:
        await change_key(world)
        await change_key(world, f"{NEW}-2", CHANGED_AT + timedelta(minutes=2))
        await world.wait_for_event("key_rejected_during_rotation")
        await world.sleep_until(CHANGED_AT + timedelta(minutes=10))
        assert 200 in list_statuses(world, "smile", CHANGED_AT + timedelta(minutes=2))
        assert not [line for line in world.find_events("condition_changed") if line["after"] == "blocked"]
