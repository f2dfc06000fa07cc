"""Due times and dates are read on the office's own clock, however it is known and however wrong it is."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from oddaemon.core.model import Condition
from tests.engine.night import SMALL, make_office_settings, night
from tests.engine.world import World

NEW_YORK, LOS_ANGELES, HONOLULU = (
    ZoneInfo("America/New_York"),
    ZoneInfo("America/Los_Angeles"),
    ZoneInfo("Pacific/Honolulu"),
)


@pytest.mark.parametrize("zone", ["America/New_York", "Pacific/Auckland", "Asia/Kolkata", "Pacific/Honolulu"])
async def test_an_office_without_a_configured_zone_has_its_clock_measured(tmp_path: Path, zone: str) -> None:
    spec, base = replace(SMALL, zone=zone), datetime(2026, 3, 3, 1, tzinfo=ZoneInfo(zone))
    async with night(tmp_path, [spec], [make_office_settings(zone=None)], base=base) as world:
        await world.wait_for_snapshots(1)
        assert sum("AS OfficeNow" in heard.sql and "patient" not in heard.sql for heard in world.list_statements()) == 1
        await world.wait_for_snapshots(2)
        assert _get_time_since_run(world) < timedelta(minutes=2)
        assert world.find_events("clock_mismatch") == []
        assert world.assert_explained(Condition.FRESH, None)
        assert await world.is_true()


@pytest.mark.parametrize(
    ("office", "configured"), [(NEW_YORK, LOS_ANGELES), (LOS_ANGELES, NEW_YORK), (LOS_ANGELES, ZoneInfo("Asia/Tokyo"))]
)
async def test_a_wrongly_configured_zone_is_reported_and_corrected(
    tmp_path: Path, office: ZoneInfo, configured: ZoneInfo
) -> None:
    spec, base = replace(SMALL, zone=office.key), datetime(2026, 3, 3, 1, tzinfo=office)
    async with night(tmp_path, [spec], [make_office_settings(zone=configured)], base=base) as world:
        await world.wait_for_snapshots(1)
        await world.wait_for_event("clock_mismatch")
        event = world.find_events("clock_mismatch")[0]
        offset = datetime(2026, 3, 3, tzinfo=office).utcoffset()
        assert offset is not None
        assert event["measured_offset_seconds"] == offset.total_seconds()
        await world.wait_for_snapshots(2)
        assert _get_time_since_run(world) < timedelta(minutes=2)
        assert world.assert_explained(Condition.FRESH, None)
        assert await world.is_true()


async def test_a_wrong_zone_does_not_make_tonights_run_one_of_the_future(tmp_path: Path) -> None:
    """At 02:30 in New York the run of 3 March is done; in Honolulu, where the configuration has it, it is 2 March."""
    base = datetime(2026, 3, 3, 6, 30, tzinfo=UTC)
    spec = replace(SMALL, zone="America/New_York")
    async with night(tmp_path, [spec], [make_office_settings(zone=HONOLULU)], base=base, running=False) as world:
        await world.sleep_until(datetime(2026, 3, 3, 7, 30, tzinfo=UTC))
        await world.start()
        await world.wait_for_snapshots(1, within=timedelta(minutes=1))
        assert world.list_published()[0]["aging_date"] == "2026-03-03"
        assert world.assert_explained(Condition.FRESH, None, "2026-03-03")
        assert len(world.find_events("clock_mismatch")) == 1


async def test_a_wrong_zone_does_not_make_a_run_in_progress_a_crashed_one(tmp_path: Path) -> None:
    base = datetime(2026, 3, 3, 6, 30, tzinfo=UTC)
    spec = replace(SMALL, zone="America/New_York", run_seconds=3000)
    async with night(tmp_path, [spec], [make_office_settings(zone=HONOLULU)], base=base, running=False) as world:
        await world.sleep_until(datetime(2026, 3, 3, 7, 20, tzinfo=UTC))
        await world.start()
        await world.sleep_until(datetime(2026, 3, 3, 7, 30, tzinfo=UTC))
        assert world.assert_explained(Condition.AGING, None, "running since 02:00")
        await world.wait_for_snapshots(1)
        assert world.clock.now() < datetime(2026, 3, 3, 7, 53, tzinfo=UTC)


@pytest.mark.parametrize("skew_seconds", [45.0, 1500.0, -1500.0, 40_000.0])
async def test_a_clock_that_is_wrong_is_followed(tmp_path: Path, skew_seconds: float) -> None:
    async with night(tmp_path, [replace(SMALL, clock_skew_seconds=skew_seconds)]) as world:
        await world.wait_for_snapshots(2)
        assert _get_time_since_run(world) < timedelta(minutes=2)
        assert bool(world.find_events("clock_mismatch")) == (abs(skew_seconds) > 120)
        assert world.assert_explained(Condition.FRESH, None)
        assert await world.is_true()


SPRING, AUTUMN = datetime(2026, 3, 8, 8, tzinfo=UTC), datetime(2026, 11, 1, 7, tzinfo=UTC)


@pytest.mark.parametrize("zone", [LOS_ANGELES, None], ids=str)
@pytest.mark.parametrize(
    ("due", "runs"),
    [
        # 8 March 2026: the clock jumps from 01:59:59 to 03:00.
        ("02:00:00", (SPRING.replace(hour=10), SPRING.replace(day=9, hour=9))),
        ("02:30:00", (SPRING.replace(hour=10), SPRING.replace(day=9, hour=9, minute=30))),
        # 1 November 2026: 01:30 comes twice, the first one counts.
        ("01:30:00", (AUTUMN.replace(hour=8, minute=30), AUTUMN.replace(day=2, hour=9, minute=30))),
        ("02:00:00", (AUTUMN.replace(hour=10), AUTUMN.replace(day=2, hour=10))),
    ],
)
async def test_the_nights_when_clocks_change(
    tmp_path: Path, zone: ZoneInfo | None, due: str, runs: tuple[datetime, datetime]
) -> None:
    base = SPRING if runs[0].month == SPRING.month else AUTUMN
    spec, office = replace(SMALL, service_time_due=due), make_office_settings(zone=zone)
    async with night(tmp_path, [spec], [office], base=base) as world:
        for count, started_at in enumerate(runs, 2):
            await world.wait_for_snapshots(count)
            assert world.get_practice().aging.runs[-1].started_at == started_at
            # A clock known by its offset alone shows the change only when it is measured again.
            assert _get_time_since_run(world) < timedelta(minutes=3 if zone else 31)
        assert not [line for line in world.find_events("condition_changed") if line["after"] in ("late", "blocked")]
        assert world.assert_explained(Condition.FRESH, None)
        assert await world.is_true()


def _get_time_since_run(world: World) -> timedelta:
    """How long ago the last run ended."""
    finished_at = world.get_practice().aging.runs[-1].finished_at
    assert finished_at is not None
    return world.clock.now() - finished_at
