"""What is reported of each night: the miss, and the recovery."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from oddaemon.core.model import Condition
from oddaemon.simulator.faults.faults import EConnectorDown, KeyDisabled
from tests.engine.night import SMALL, make_office_settings, night, replace_offices, schedule_fault, time_after_start
from tests.engine.world import World

SMILE_AND_MESA = [SMALL, replace(SMALL, office_id="mesa", seed=2)]
FRESH_BY = time_after_start(hours=6)
"""07:00 in Los Angeles."""
NIGHTS = ("night_complete", "night_missed", "night_recovered")


def list_events(world: World, *names: str) -> list[tuple[Any, ...]]:
    """These events in their order, each with what is special about it."""
    return [
        (
            line["event"],
            *(line[field] for field in ("night", "fresh", "missing", "late", "nights_missed") if field in line),
        )
        for line in world.lines
        if line["event"] in names
    ]


async def test_a_night_is_complete_as_soon_as_every_office_is_fresh_and_reported_once(tmp_path: Path) -> None:
    async with night(tmp_path, SMILE_AND_MESA) as world:
        await world.sleep_until(FRESH_BY + timedelta(hours=2))
        (event,) = world.find_events("night_complete")
        assert event["level"] == "info"
        assert event["timestamp"] < "2026-03-03T10:15"
        assert list_events(world, *NIGHTS, "deadline_missed", "deadline_recovered") == [
            ("night_complete", "2026-03-03", 2, 0)
        ]
        text = world.render_metrics()
        assert 'oddaemon_nights_total{outcome="complete"} 1.0' in text
        assert 'oddaemon_nights_total{outcome="missed"} 0.0' in text
        await world.sleep_until(FRESH_BY + timedelta(days=1))
        assert list_events(world, *NIGHTS)[1:] == [("night_complete", "2026-03-04", 2, 0)]


async def test_a_missed_night_is_reported_at_its_deadline_and_again_when_recovered(tmp_path: Path) -> None:
    down = schedule_fault(EConnectorDown(), ends=FRESH_BY + timedelta(hours=3))
    async with night(tmp_path, SMILE_AND_MESA, faults=[down]) as world:
        await world.sleep_until(FRESH_BY - timedelta(minutes=1))
        assert list_events(world, *NIGHTS, "deadline_missed") == []
        await world.sleep_until(FRESH_BY + timedelta(minutes=2))
        assert list_events(world, *NIGHTS, "deadline_missed") == [
            ("deadline_missed", 1),
            ("night_missed", "2026-03-03", 1, 1),
        ]
        (missed,) = world.find_events("night_missed")
        assert (missed["level"], missed["offices"]) == ("error", ["smile"])
        await world.sleep_until(FRESH_BY + timedelta(hours=5))
        assert list_events(world, *NIGHTS, "deadline_recovered")[1:] == [
            ("deadline_recovered", 1),
            ("night_recovered", "2026-03-03", 2, 1),
        ]


async def test_a_second_missed_night_is_reported_with_its_number(tmp_path: Path) -> None:
    async with night(tmp_path, SMILE_AND_MESA, faults=[schedule_fault(EConnectorDown())]) as world:
        await world.sleep_until(FRESH_BY + timedelta(days=1, minutes=2))
        assert list_events(world, "deadline_missed") == [("deadline_missed", 1), ("deadline_missed", 2)]
        assert [each[1] for each in list_events(world, *NIGHTS)] == ["2026-03-03", "2026-03-04"]


async def test_an_office_that_waits_for_a_human_spoils_one_night_and_not_all_of_them(tmp_path: Path) -> None:
    async with night(
        tmp_path, SMILE_AND_MESA, faults=[schedule_fault(KeyDisabled(), begins=time_after_start(minutes=90))]
    ) as world:
        await world.sleep_until(FRESH_BY + timedelta(days=1, minutes=2))
        assert world.get_condition() is Condition.BLOCKED
        assert list_events(world, *NIGHTS) == [
            ("night_complete", "2026-03-03", 2, 0),
            ("night_complete", "2026-03-04", 1, 0),
        ]
        assert world.find_events("night_complete")[-1]["blocked"] == 1


async def test_a_paused_office_is_not_waited_for(tmp_path: Path) -> None:
    offices = [make_office_settings("smile", enabled=False), make_office_settings("mesa")]
    async with night(tmp_path, SMILE_AND_MESA, offices) as world:
        await world.sleep_until(FRESH_BY + timedelta(minutes=2))
        assert list_events(world, *NIGHTS) == [("night_complete", "2026-03-03", 1, 0)]
        assert world.find_events("night_complete")[0]["exempt"] == 1
        assert 'fresh_deadline_timestamp_seconds{office="smile"}' not in world.render_metrics()


async def test_pausing_what_is_missing_ends_the_alarm_without_good_news_of_that_office(tmp_path: Path) -> None:
    async with night(tmp_path, SMILE_AND_MESA, faults=[schedule_fault(EConnectorDown())]) as world:
        await world.sleep_until(FRESH_BY + timedelta(minutes=2))
        off = [make_office_settings("smile", enabled=False), make_office_settings("mesa")]
        await world.apply(replace_offices(world.settings, tuple(off)))
        await world.sleep_until(FRESH_BY + timedelta(minutes=10))
        assert list_events(world, "deadline_recovered") == []
        assert list_events(world, *NIGHTS)[-1] == ("night_recovered", "2026-03-03", 1, 0)


@pytest.mark.slow("days of virtual time")
@pytest.mark.parametrize("how", ["paused", "removed", "wanted otherwise"])
async def test_an_office_that_comes_back_missed_nothing_meanwhile(tmp_path: Path, how: str) -> None:
    gone = {
        "paused": (make_office_settings("smile", enabled=False), make_office_settings("mesa")),
        "removed": (make_office_settings("mesa"),),
        "wanted otherwise": (make_office_settings("smile"), make_office_settings("mesa")),
    }[how]
    include = "debts" if how == "wanted otherwise" else "all"
    back = (make_office_settings("smile", include=include), make_office_settings("mesa"))
    noon = FRESH_BY + timedelta(days=3, hours=5)
    down = schedule_fault(EConnectorDown(), begins=noon - timedelta(minutes=1))
    async with night(tmp_path, SMILE_AND_MESA, faults=[down]) as world:
        await world.sleep_until(FRESH_BY + timedelta(hours=1))
        await world.apply(replace_offices(world.settings, gone))
        await world.sleep_until(noon)
        await world.apply(replace_offices(world.settings, back))
        await world.sleep_until(noon + timedelta(hours=1))
        assert world.get_condition() is Condition.UNREACHABLE
        assert list_events(world, "deadline_missed", "night_missed") == []
        await world.sleep_until(FRESH_BY + timedelta(days=4, minutes=2))
        assert list_events(world, "deadline_missed") == [("deadline_missed", 1)]


async def test_a_miss_of_an_office_that_was_removed_since_is_reported_as_its_first(tmp_path: Path) -> None:
    both = (make_office_settings("smile"), make_office_settings("mesa"))
    async with night(tmp_path, SMILE_AND_MESA, faults=[schedule_fault(EConnectorDown())]) as world:
        await world.sleep_until(FRESH_BY + timedelta(days=1, minutes=2))
        await world.apply(replace_offices(world.settings, both[1:]))
        await world.sleep_until(FRESH_BY + timedelta(days=1, minutes=10))
        await world.apply(replace_offices(world.settings, both))
        await world.sleep_until(FRESH_BY + timedelta(days=2, minutes=2))
        assert list_events(world, "deadline_missed") == [("deadline_missed", nights) for nights in (1, 2, 1)]


async def test_a_daemon_that_was_down_over_the_deadline_reports_only_the_last_night(tmp_path: Path) -> None:
    async with night(tmp_path, SMILE_AND_MESA) as world:
        await world.sleep_until(time_after_start(hours=2))
        await world.crash()
        await world.sleep_until(FRESH_BY + timedelta(days=2, hours=1))
        before = len(world.lines)
        await world.start()
        await world.wait_until(
            lambda: bool([line for line in world.lines[before:] if line["event"] == "night_recovered"])
        )
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
    async with night(
        tmp_path, [SMALL], faults=[schedule_fault(EConnectorDown())], base=time_after_start(hours=9)
    ) as world:
        await world.sleep_until(time_after_start(hours=20))
        assert list_events(world, *NIGHTS, "deadline_missed") == []
        await world.sleep_until(FRESH_BY + timedelta(days=1, minutes=2))
        assert list_events(world, *NIGHTS, "deadline_missed") == [
            ("deadline_missed", 1),
            ("night_missed", "2026-03-04", 0, 1),
        ]


async def test_a_fleet_of_two_coasts_is_complete_when_both_are(tmp_path: Path) -> None:
    east = replace(SMALL, office_id="east", seed=3, zone="America/New_York", service_time_due="05:00:00")
    offices = [make_office_settings("smile"), make_office_settings("east", zone=None)]
    down = schedule_fault(EConnectorDown(), ends=FRESH_BY + timedelta(minutes=30))
    async with night(tmp_path, [SMALL, east], offices, faults=[down]) as world:
        await world.sleep_until(FRESH_BY - timedelta(minutes=1))
        assert list_events(world, *NIGHTS) == []
        await world.sleep_until(FRESH_BY + timedelta(minutes=2))
        assert list_events(world, *NIGHTS) == [("night_missed", "2026-03-03", 1, 1)]
