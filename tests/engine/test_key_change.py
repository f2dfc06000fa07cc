"""A customer key that is changed by a reload: both are tried while Open Dental makes up its mind."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from oddaemon.core.diagnostics.diagnosis import CheckName
from oddaemon.core.diagnostics.document import parse_diagnosis
from oddaemon.core.model import Condition, Owner, Reader
from oddaemon.core.reporting.status_document import make_status_document
from oddaemon.simulator.api.keys import ApiKey
from oddaemon.simulator.headquarters.options import HeadquartersOptions
from tests.engine.eavesdropper import CUSTOMER_KEY_PREFIX
from tests.engine.night import DUE, SMALL, SMILE, after, night, office_settings
from tests.engine.test_doctor_visits import examination
from tests.engine.world import World

OLD, NEW = CUSTOMER_KEY_PREFIX + "smile", CUSTOMER_KEY_PREFIX + "smile-next"
CHANGED_AT = after(minutes=30)
GRACE = timedelta(minutes=15)


def two_keys(new_from: datetime, old_until: datetime | None = None) -> list[ApiKey]:
    return [
        ApiKey(OLD, "smile", in_force_until=old_until),
        ApiKey(NEW, "smile", label="smile, next key", in_force_from=new_from),
    ]


async def change_key(world: World, key: str = NEW, at: datetime = CHANGED_AT) -> None:
    await world.until_time(at)
    await world.apply(replace(world.settings, offices=(office_settings(key=key),)))


def asked_with(world: World, name: str, since: datetime) -> list[int | None]:
    return [each.status for each in world.headquarters.traffic if each.key == name and each.arrived >= since]


async def test_while_the_new_key_is_not_in_force_the_former_one_asks(tmp_path: Path) -> None:
    keys = two_keys(new_from=CHANGED_AT + timedelta(minutes=9))
    async with night(tmp_path, [SMALL], keys=keys) as world:
        await change_key(world)
        await world.until_said("key_rotated")
        assert not [line for line in world.events("condition_changed") if line["after"] == "blocked"]
        assert set(asked_with(world, "smile, next key", CHANGED_AT)) == {400, 200}
        in_force = world.clock.now()
        await world.until_published(2)
        assert await world.is_true()
        assert asked_with(world, "smile", in_force) == [], "the former key is forgotten"


async def test_when_neither_key_works_the_office_is_not_blocked_before_the_time_is_over(tmp_path: Path) -> None:
    keys = two_keys(new_from=CHANGED_AT + timedelta(hours=3), old_until=CHANGED_AT)
    async with night(tmp_path, [SMALL], keys=keys) as world:
        await change_key(world)
        await world.until_is(Condition.UNREACHABLE)
        assert world.explains(Condition.UNREACHABLE, Owner.VENDOR, "Neither the new customer key is accepted yet")
        assert world.clock.now() < CHANGED_AT + GRACE
        await world.until_is(Condition.BLOCKED)
        assert world.clock.now() >= CHANGED_AT + GRACE
        assert world.explains(Condition.BLOCKED, Owner.OFFICE, "API key has not been assigned.")
        refused = asked_with(world, "smile", CHANGED_AT)
        assert 1 <= len(refused) <= 15, "the former key is not hammered"
        await world.until_published(2)
        assert await world.is_true()
        assert asked_with(world, "smile", CHANGED_AT + GRACE) == []


async def test_a_wrong_new_key_is_seen_while_it_is_on_trial_and_ours_once_that_is_over(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await change_key(world, "mistyped-key")
        await world.until_said("key_rejected_during_rotation")
        view = world.daemon.fleet.offices["smile"]
        assert view.key_rotation is not None
        assert view.key_rotation.previous_accepted
        assert timedelta() <= view.key_rotation.ends_at - (CHANGED_AT + GRACE) < timedelta(minutes=1)
        [document] = make_status_document([view.to_summary()], world.daemon_now())["offices"]
        assert document["key_trial"] is not None
        picture = await world.daemon.view_builder.build_office("smile")
        assert picture is not None
        assert picture.key_rotation == view.key_rotation

        await world.daemon.admin.diagnostics.start("smile", 1000)
        found = parse_diagnosis(await examination(world))
        assert [each.name for each in found.failed_checks] == [CheckName.CUSTOMER_KEY]
        told = found.failed_checks[0]
        assert told.owner is Owner.US
        assert "the former one is used for another 15 min" in told.sentence
        assert "any more" not in told.message
        assert world.condition() is not Condition.BLOCKED

        await world.until_is(Condition.BLOCKED)
        assert world.explains(Condition.BLOCKED, Owner.US, "and never did")
        await world.apply(replace(world.settings, offices=(office_settings(key=OLD),)))
        await world.until_published(2)
        assert view.key_rotation is None


async def test_a_doctor_who_is_let_in_with_the_new_key_ends_the_trial(tmp_path: Path) -> None:
    keys = two_keys(new_from=CHANGED_AT + timedelta(minutes=1))
    async with night(tmp_path, [SMALL], keys=keys) as world:
        await change_key(world)
        await world.until_said("key_rejected_during_rotation")
        await world.until_time(CHANGED_AT + timedelta(minutes=2))
        await world.daemon.admin.diagnostics.start("smile", 1000)
        assert (await examination(world))["healthy"]
        assert world.daemon.fleet.offices["smile"].key_rotation is None


async def test_a_new_key_that_works_at_once_is_the_only_one_used(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL], keys=two_keys(new_from=after())) as world:
        await change_key(world)
        await world.until_published(2)
        assert asked_with(world, "smile", CHANGED_AT) == []
        assert len(world.events("key_rotated")) == 1


@pytest.mark.parametrize("reader", [Reader.STATEMENT, Reader.PAGES])
async def test_a_key_that_changes_during_a_pull_loses_and_doubles_nothing(tmp_path: Path, reader: Reader) -> None:
    """A session keeps to the key that it began with, whichever comes into force meanwhile."""
    keys = two_keys(new_from=DUE + timedelta(minutes=3))
    offices = [office_settings(reader=reader)]
    async with night(tmp_path, [SMILE], offices, keys=keys, options=HeadquartersOptions(base_seconds=2)) as world:
        await world.until_said("pull_started")
        at = world.clock.now() + timedelta(seconds=3)
        await world.until_time(at)
        await world.apply(replace(world.settings, offices=(office_settings(key=NEW, reader=reader),)))
        await world.until_published(2)
        assert await world.is_true()


async def test_a_key_that_is_changed_back_is_no_change(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL], keys=two_keys(new_from=after(hours=9))) as world:
        await change_key(world)
        await change_key(world, OLD, CHANGED_AT + timedelta(minutes=2))
        since = world.clock.now()
        await world.until_published(2)
        assert asked_with(world, "smile, next key", since) == []


async def test_a_second_change_keeps_the_key_that_worked(tmp_path: Path) -> None:
    keys = [
        *two_keys(new_from=after(hours=9)),
        ApiKey(f"{NEW}-2", "smile", label="third", in_force_from=after(hours=9)),
    ]
    async with night(tmp_path, [SMALL], keys=keys) as world:
        await change_key(world)
        await change_key(world, f"{NEW}-2", CHANGED_AT + timedelta(minutes=2))
        await world.until_said("key_rejected_during_rotation")
        await world.until_time(CHANGED_AT + timedelta(minutes=10))
        assert 200 in asked_with(world, "smile", CHANGED_AT + timedelta(minutes=2))
        assert not [line for line in world.events("condition_changed") if line["after"] == "blocked"]
