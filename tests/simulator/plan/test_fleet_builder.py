"""The world's clock, and fleets of offices that follow from one seed."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import anyio
import pytest

from oddaemon.simulator.model.world_clock import WorldClock
from oddaemon.simulator.plan.fleet_builder import build_fleet, make_fleet_plan
from oddaemon.simulator.plan.plan_file import compute_due_time
from oddaemon.simulator.practice.practice import Practice
from oddaemon.simulator.practice.preferences import DATE_LAST_AGING
from tests.simulator.sample_practice import VIRTUAL_BACKEND, make_practice

BASE = datetime(2026, 11, 22, 9, 50, tzinfo=UTC)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return VIRTUAL_BACKEND


def test_a_clock_outside_a_loop_stands_at_its_base() -> None:
    clock = WorldClock(BASE)
    clock.step(timedelta(hours=1))
    assert clock.now() == BASE + timedelta(hours=1)


def test_a_clock_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        WorldClock(BASE.replace(tzinfo=None))


async def test_a_clock_follows_the_loop_from_its_construction_on() -> None:
    await anyio.sleep(100)
    clock = WorldClock(BASE)
    await anyio.sleep(5)
    assert clock.now() == BASE + timedelta(seconds=5)


async def test_a_clock_made_outside_starts_at_its_first_look() -> None:
    clock = await asyncio.to_thread(WorldClock, BASE)
    await anyio.sleep(100)
    assert clock.now() == BASE
    await anyio.sleep(5)
    assert clock.now() == BASE + timedelta(seconds=5)


@pytest.mark.parametrize(("step_seconds", "slept_seconds"), [(0, 60), (20, 40), (-20, 80), (300, 30)])
async def test_a_sleeper_wakes_at_its_instant_whatever_steps_the_clock_takes(
    step_seconds: float, slept_seconds: float
) -> None:
    clock = WorldClock(BASE)
    began = anyio.current_time()
    async with anyio.create_task_group() as group:
        group.start_soon(clock.sleep_until, BASE + timedelta(seconds=60))
        await anyio.sleep(30)
        clock.step(timedelta(seconds=step_seconds))
    assert anyio.current_time() - began == pytest.approx(slept_seconds)


async def test_an_instant_in_the_past_is_not_slept_for() -> None:
    clock = WorldClock(BASE)
    await clock.sleep_until(BASE - timedelta(days=1))
    assert clock.now() == BASE


def test_one_seed_is_one_fleet_and_another_seed_another() -> None:
    assert build_fleet(1, 50) == build_fleet(1, 50)
    assert build_fleet(1, 50) != build_fleet(2, 50)


def test_a_larger_fleet_begins_with_the_smaller_one() -> None:
    assert build_fleet(1, 50)[:20] == build_fleet(1, 20)


def test_a_fleet_has_variety_and_unique_names() -> None:
    fleet = build_fleet(3, 400)
    assert len({spec.office_id for spec in fleet}) == 400
    assert len({spec.zone for spec in fleet}) >= 5
    assert {spec.pat_nums for spec in fleet} == {"dense", "sparse", "random"}
    traits = Counter(
        trait
        for spec in fleet
        for trait, is_there in {
            "off": spec.service_time_due is None,
            "monthly": spec.monthly,
            "crashing": spec.crashes == "always",
            "down": spec.start_delay_seconds > 3600,
            "refusing": bool(spec.refuses),
            "clinics": spec.clinics > 0,
            "skew": abs(spec.clock_skew_seconds) > 1,
        }.items()
        if is_there
    )
    assert len(traits) == 7
    assert max(spec.guarantors for spec in fleet) > 4000


def test_a_fleet_without_faults_ages_every_night() -> None:
    for spec in build_fleet(3, 400, with_failures=False, guarantors_max=500):
        assert spec.service_time_due is not None
        assert not spec.monthly
        assert spec.crashes == ()
        assert spec.start_delay_seconds < 3600
        assert spec.guarantors <= 500


@pytest.mark.parametrize(
    ("zone", "seconds", "skew_seconds", "due"),
    [
        ("America/Los_Angeles", 0, 0, "01:50:00"),
        ("America/New_York", 30, 0, "04:50:30"),
        ("America/Los_Angeles", 0.2, 0, "01:50:01"),
        ("America/Los_Angeles", 30, 100, "01:52:10"),
        ("America/New_York", 20 * 3600, 0, "00:50:00"),
    ],
)
def test_a_due_time_seconds_from_now_is_on_the_offices_clock(
    zone: str, seconds: float, skew_seconds: float, due: str
) -> None:
    assert compute_due_time(zone, BASE, seconds, clock_skew_seconds=skew_seconds) == due


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Pacific/Honolulu", "Australia/Lord_Howe"])
@pytest.mark.parametrize("skew_seconds", [0.0, -90.0, 7.5])
async def test_a_due_time_placed_seconds_from_now_starts_a_run_then(zone: str, skew_seconds: float) -> None:
    due = compute_due_time(zone, BASE, 20, clock_skew_seconds=skew_seconds)
    office = make_practice(at=BASE, zone=zone, clock_skew_seconds=skew_seconds, service_time_due=due)
    async with anyio.create_task_group() as group:
        group.start_soon(office.run)
        await anyio.sleep(25)
        group.cancel_scope.cancel()
    (run,) = office.aging.runs
    assert 20 <= (run.started_at - BASE).total_seconds() < 21


@pytest.mark.parametrize("hour", range(0, 24, 3))
def test_a_newcomers_fleet_has_aged_last_night_whenever_it_starts(hour: int) -> None:
    clock = WorldClock(BASE.replace(hour=hour))
    for office in make_fleet_plan(20, seed=3, with_failures=False, has_aged_last_night=True).offices:
        small = replace(office.make_spec(clock.now()), guarantors=1, settled=0)
        local = clock.now().astimezone(ZoneInfo(small.zone)) + timedelta(seconds=small.clock_skew_seconds)
        assert small.service_time_due is not None
        is_over = f"{local:%H:%M:%S}" >= small.service_time_due
        expected = local.date() - timedelta(days=0 if is_over else 1)
        assert Practice(small, clock).preferences.get(DATE_LAST_AGING) == expected.isoformat()
