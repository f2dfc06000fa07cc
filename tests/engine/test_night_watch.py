"""What is told of each night: the miss, and the good news."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from oddaemon.core.model import Condition
from oddaemon.simulator.faults.faults import EConnectorDown, KeyDisabled
from tests.engine.night import SMALL, after, night, office_settings, planted
from tests.engine.world import World

SMILE_AND_MESA = [SMALL, replace(SMALL, office_id="mesa", seed=2)]
FRESH_BY = after(hours=6)
"""07:00 in Los Angeles."""
NIGHTS = ("night_complete", "night_missed", "night_recovered")


def told(world: World, *names: str) -> list[tuple[Any, ...]]:
    """These events in their order, each with what is special about it."""
    return [
        (
            line["event"],
            *(line[field] for field in ("night", "fresh", "missing", "late", "nights_missed") if field in line),
        )
        for line in world.lines
        if line["event"] in names
    ]


async def test_a_night_is_complete_as_soon_as_every_office_is_fresh_and_told_once(tmp_path: Path) -> None:
    async with night(tmp_path, SMILE_AND_MESA) as world:
        await world.until_time(FRESH_BY + timedelta(hours=2))
        (event,) = world.events("night_complete")
        assert event["level"] == "info"
        assert event["timestamp"] < "2026-03-03T10:15"
        assert told(world, *NIGHTS, "deadline_missed", "deadline_recovered") == [("night_complete", "2026-03-03", 2, 0)]
        text = world.metrics()
        assert 'oddaemon_nights_total{outcome="complete"} 1.0' in text
        assert 'oddaemon_nights_total{outcome="missed"} 0.0' in text
        await world.until_time(FRESH_BY + timedelta(days=1))
        assert told(world, *NIGHTS)[1:] == [("night_complete", "2026-03-04", 2, 0)]


async def test_a_missed_night_is_told_when_the_hour_has_passed_and_again_when_it_is_mended(tmp_path: Path) -> None:
    down = planted(EConnectorDown(), ends=FRESH_BY + timedelta(hours=3))
    async with night(tmp_path, SMILE_AND_MESA, faults=[down]) as world:
        await world.until_time(FRESH_BY - timedelta(minutes=1))
        assert told(world, *NIGHTS, "deadline_missed") == []
        await world.until_time(FRESH_BY + timedelta(minutes=2))
        assert told(world, *NIGHTS, "deadline_missed") == [("deadline_missed", 1), ("night_missed", "2026-03-03", 1, 1)]
        (missed,) = world.events("night_missed")
        assert (missed["level"], missed["offices"]) == ("error", ["smile"])
        await world.until_time(FRESH_BY + timedelta(hours=5))
        assert told(world, *NIGHTS, "deadline_recovered")[1:] == [
            ("deadline_recovered", 1),
            ("night_recovered", "2026-03-03", 2, 1),
        ]


async def test_a_second_night_is_told_with_its_number(tmp_path: Path) -> None:
    async with night(tmp_path, SMILE_AND_MESA, faults=[planted(EConnectorDown())]) as world:
        await world.until_time(FRESH_BY + timedelta(days=1, minutes=2))
        assert told(world, "deadline_missed") == [("deadline_missed", 1), ("deadline_missed", 2)]
        assert [each[1] for each in told(world, *NIGHTS)] == ["2026-03-03", "2026-03-04"]


async def test_an_office_that_waits_for_a_human_spoils_one_night_and_not_all_of_them(tmp_path: Path) -> None:
    async with night(tmp_path, SMILE_AND_MESA, faults=[planted(KeyDisabled(), begins=after(minutes=90))]) as world:
        await world.until_time(FRESH_BY + timedelta(days=1, minutes=2))
        assert world.condition() is Condition.BLOCKED
        assert told(world, *NIGHTS) == [("night_complete", "2026-03-03", 2, 0), ("night_complete", "2026-03-04", 1, 0)]
        assert world.events("night_complete")[-1]["blocked"] == 1


async def test_a_paused_office_is_not_waited_for(tmp_path: Path) -> None:
    offices = [office_settings("smile", enabled=False), office_settings("mesa")]
    async with night(tmp_path, SMILE_AND_MESA, offices) as world:
        await world.until_time(FRESH_BY + timedelta(minutes=2))
        assert told(world, *NIGHTS) == [("night_complete", "2026-03-03", 1, 0)]
        assert world.events("night_complete")[0]["exempt"] == 1
        assert 'fresh_deadline_timestamp_seconds{office="smile"}' not in world.metrics()


async def test_pausing_what_is_missing_ends_the_alarm_without_good_news_of_that_office(tmp_path: Path) -> None:
    async with night(tmp_path, SMILE_AND_MESA, faults=[planted(EConnectorDown())]) as world:
        await world.until_time(FRESH_BY + timedelta(minutes=2))
        off = [office_settings("smile", enabled=False), office_settings("mesa")]
        await world.apply(replace(world.settings, offices=tuple(off)))
        await world.until_time(FRESH_BY + timedelta(minutes=10))
        assert told(world, "deadline_recovered") == []
        assert told(world, *NIGHTS)[-1] == ("night_recovered", "2026-03-03", 1, 0)


@pytest.mark.parametrize("how", ["paused", "removed", "wanted otherwise"])
async def test_an_office_that_comes_back_missed_nothing_meanwhile(tmp_path: Path, how: str) -> None:
    gone = {
        "paused": (office_settings("smile", enabled=False), office_settings("mesa")),
        "removed": (office_settings("mesa"),),
        "wanted otherwise": (office_settings("smile"), office_settings("mesa")),
    }[how]
    include = "debts" if how == "wanted otherwise" else "all"
    back = (office_settings("smile", include=include), office_settings("mesa"))
    noon = FRESH_BY + timedelta(days=3, hours=5)
    down = planted(EConnectorDown(), begins=noon - timedelta(minutes=1))
    async with night(tmp_path, SMILE_AND_MESA, faults=[down]) as world:
        await world.until_time(FRESH_BY + timedelta(hours=1))
        await world.apply(replace(world.settings, offices=gone))
        await world.until_time(noon)
        await world.apply(replace(world.settings, offices=back))
        await world.until_time(noon + timedelta(hours=1))
        assert world.condition() is Condition.UNREACHABLE
        assert told(world, "deadline_missed", "night_missed") == []
        await world.until_time(FRESH_BY + timedelta(days=4, minutes=2))
        assert told(world, "deadline_missed") == [("deadline_missed", 1)]


async def test_a_miss_of_an_office_that_was_away_since_is_told_as_its_first(tmp_path: Path) -> None:
    both = (office_settings("smile"), office_settings("mesa"))
    async with night(tmp_path, SMILE_AND_MESA, faults=[planted(EConnectorDown())]) as world:
        await world.until_time(FRESH_BY + timedelta(days=1, minutes=2))
        await world.apply(replace(world.settings, offices=both[1:]))
        await world.until_time(FRESH_BY + timedelta(days=1, minutes=10))
        await world.apply(replace(world.settings, offices=both))
        await world.until_time(FRESH_BY + timedelta(days=2, minutes=2))
        assert told(world, "deadline_missed") == [("deadline_missed", nights) for nights in (1, 2, 1)]


async def test_a_daemon_that_was_away_over_the_hour_tells_the_last_night_and_no_older_one(tmp_path: Path) -> None:
    async with night(tmp_path, SMILE_AND_MESA) as world:
        await world.until_time(after(hours=2))
        await world.crash()
        await world.until_time(FRESH_BY + timedelta(days=2, hours=1))
        before = len(world.lines)
        await world.start()
        await world.until(lambda: bool([line for line in world.lines[before:] if line["event"] == "night_recovered"]))
        since = [line for line in world.lines[before:] if line["event"] in NIGHTS]
        assert [(line["event"], line["night"]) for line in since] == [
            ("night_missed", "2026-03-05"),
            ("night_recovered", "2026-03-05"),
        ]
        assert sorted(line["nights_missed"] for line in world.lines[before:] if line["event"] == "deadline_missed") == [
            2,
            2,
        ]


async def test_a_new_office_has_until_its_next_morning(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL], faults=[planted(EConnectorDown())], base=after(hours=9)) as world:
        await world.until_time(after(hours=20))
        assert told(world, *NIGHTS, "deadline_missed") == []
        await world.until_time(FRESH_BY + timedelta(days=1, minutes=2))
        assert told(world, *NIGHTS, "deadline_missed") == [("deadline_missed", 1), ("night_missed", "2026-03-04", 0, 1)]


async def test_a_fleet_of_two_coasts_is_complete_when_both_are(tmp_path: Path) -> None:
    east = replace(SMALL, office_id="east", seed=3, zone="America/New_York", service_time_due="05:00:00")
    offices = [office_settings("smile"), office_settings("east", zone=None)]
    down = planted(EConnectorDown(), ends=FRESH_BY + timedelta(minutes=30))
    async with night(tmp_path, [SMALL, east], offices, faults=[down]) as world:
        await world.until_time(FRESH_BY - timedelta(minutes=1))
        assert told(world, *NIGHTS) == []
        await world.until_time(FRESH_BY + timedelta(minutes=2))
        assert told(world, *NIGHTS) == [("night_missed", "2026-03-03", 1, 1)]
