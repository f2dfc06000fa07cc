"""Headquarters is down: one office probes for all, and the others return gradually."""

from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from oddaemon.core.failures.failure import FailureKind
from oddaemon.core.model import Condition, Owner
from oddaemon.opendental.circuit_breaker import OFFICES_MIN
from oddaemon.simulator.api.messages import BrokenConnection, ConnectionFailure
from oddaemon.simulator.faults.faults import Fault, FaultWindow, GatewayError, ScheduledFault
from oddaemon.simulator.model.spec import PracticeSpec
from tests.engine.night import make_office_settings, night, replace_credentials, replace_offices, time_after_start

FLEET = [PracticeSpec(f"office-{number}", seed=number, guarantors=30, settled=5) for number in range(12)]
DOWN, UP = time_after_start(minutes=90), time_after_start(hours=3)
SLOW = pytest.mark.slow("hours of virtual time of many offices; another kind of outage is among the quick tests")


@pytest.mark.parametrize(
    "fault",
    [
        GatewayError(503),
        pytest.param(BrokenConnection(ConnectionFailure.REFUSED), marks=SLOW),
        pytest.param(BrokenConnection(ConnectionFailure.NO_CONNECTION), marks=SLOW),
    ],
    ids=str,
)
async def test_an_outage_is_probed_by_one_and_explained_for_all(tmp_path: Path, fault: Fault) -> None:
    async with night(tmp_path, FLEET, faults=[ScheduledFault(fault, window=FaultWindow(DOWN, UP))]) as world:
        await world.sleep_until(UP - timedelta(minutes=1))
        for spec in FLEET:
            text = FailureKind.HEADQUARTERS_DOWN
            assert world.assert_explained(Condition.UNREACHABLE, Owner.VENDOR, text, office_id=spec.office_id)
        settled = [each for each in world.headquarters.traffic if each.arrived >= DOWN + timedelta(minutes=5)]
        assert len(settled) <= 300, "about three a minute over all offices"
        assert all(one.finished_seconds <= other.arrived_seconds for one, other in pairwise(settled))
        assert "oddaemon_headquarters_down 1.0" in world.render_metrics()
        (event,) = world.find_events("headquarters_down")
        assert event["level"] == "error"
        await world.sleep_until(UP + timedelta(minutes=8))
        assert [world.get_condition(spec.office_id) for spec in FLEET] == [Condition.FRESH] * len(FLEET)
        assert "oddaemon_headquarters_down 0.0" in world.render_metrics()
        assert len(world.find_events("headquarters_recovered")) == 1
        back = [each.arrived for each in world.headquarters.traffic if each.arrived >= UP]
        busiest = max(sum(one <= other < one + timedelta(seconds=1) for other in back) for one in back)
        assert busiest <= 8, "their turns are spread"


async def test_an_outage_is_one_line_of_the_log_and_its_end_another(tmp_path: Path) -> None:
    async with night(
        tmp_path, FLEET, faults=[ScheduledFault(GatewayError(503), window=FaultWindow(DOWN, UP))]
    ) as world:
        await world.sleep_until(DOWN - timedelta(seconds=1))
        before = len(world.lines)
        await world.sleep_until(UP + timedelta(minutes=8))
        lines = [line for line in world.lines[before:] if line["level"] != "debug"]
        alone = {line["office"] for line in lines if line["event"] == "failure_seen"}
        assert len(alone) <= OFFICES_MIN - 1, "those that failed before it was known to be an outage"
        of_all = [line["event"] for line in lines if "office" not in line]
        assert of_all == ["headquarters_down", "headquarters_recovered"]
        assert [line for line in lines if line.get("office", "") not in {"", *alone}] == []


async def test_unused_headquarters_are_not_down_for_ever(tmp_path: Path) -> None:
    async with night(
        tmp_path, FLEET[:4], faults=[ScheduledFault(GatewayError(503), window=FaultWindow(DOWN, UP))]
    ) as world:
        await world.wait_for_event("headquarters_down")
        assert "oddaemon_headquarters_down 1.0" in world.render_metrics()
        elsewhere = tuple(
            replace_credentials(each, base_url="http://127.0.0.1:2/api/v1") for each in world.settings.offices.values()
        )
        await world.apply(replace_offices(world.settings, elsewhere))
        assert len(world.find_events("headquarters_unused")) == 1
        assert "oddaemon_headquarters_down 0.0" in world.render_metrics()
        await world.sleep_until(UP + timedelta(minutes=8))
        assert [world.get_condition(spec.office_id) for spec in FLEET[:4]] == [Condition.FRESH] * 4
        assert "oddaemon_headquarters_down 0.0" in world.render_metrics()


async def test_two_sick_offices_are_no_outage(tmp_path: Path) -> None:
    failing = frozenset({"office-0", "office-1"})
    async with night(tmp_path, FLEET[:6], faults=[ScheduledFault(GatewayError(503), failing)]) as world:
        await world.wait_for_snapshots(2, "office-5")
        assert world.find_events("headquarters_down") == []


async def test_an_office_on_its_own_network_knows_nothing_of_headquarters(tmp_path: Path) -> None:
    offices = [make_office_settings(spec.office_id, remote=spec.office_id != "office-0") for spec in FLEET[:5]]
    away = frozenset(spec.office_id for spec in FLEET[1:5])
    down = ScheduledFault(GatewayError(503), away, FaultWindow(time_after_start(minutes=5), time_after_start(hours=3)))
    async with night(tmp_path, FLEET[:5], offices, faults=[down]) as world:
        await world.sleep_until(time_after_start(hours=2))
        assert world.get_condition("office-0") is Condition.FRESH
        assert len(world.list_published("office-0")) == 2
        assert world.get_condition("office-1") is Condition.UNREACHABLE


OURS = [
    BrokenConnection(ConnectionFailure.UNTRUSTED),
    BrokenConnection(ConnectionFailure.NO_NAME),
    BrokenConnection(ConnectionFailure.NO_ROUTE),
    BrokenConnection(ConnectionFailure.NO_FILES),
]
MANY = [PracticeSpec(f"office-{number}", seed=number, guarantors=10, settled=5) for number in range(40)]


@pytest.mark.parametrize(
    "fault",
    [
        GatewayError(503),
        pytest.param(BrokenConnection(ConnectionFailure.REFUSED), marks=SLOW),
        pytest.param(OURS[0], marks=SLOW),
        pytest.param(OURS[3], marks=SLOW),
    ],
    ids=str,
)
async def test_after_any_outage_every_office_is_asked_again_within_a_minute(tmp_path: Path, fault: Fault) -> None:
    down, cured = time_after_start(minutes=5), time_after_start(minutes=37)
    async with night(tmp_path, MANY, faults=[ScheduledFault(fault, window=FaultWindow(down, cured))]) as world:
        await world.sleep_until(cured)
        assert not any(world.get_condition(spec.office_id) is Condition.FRESH for spec in MANY)
        await world.sleep_until(cured + timedelta(minutes=1))
        asked = {each.office_id for each in world.headquarters.traffic if each.arrived >= cured}
        assert asked == {spec.office_id for spec in MANY}
        assert world.find_violations() == []


@pytest.mark.parametrize("fault", OURS, ids=str)
async def test_what_fails_on_this_machine_is_blamed_on_no_other(tmp_path: Path, fault: Fault) -> None:
    down = ScheduledFault(fault, window=FaultWindow(time_after_start(minutes=5), UP))
    async with night(tmp_path, FLEET[:4], faults=[down]) as world:
        await world.sleep_until(time_after_start(minutes=40))
        assert {world.get_status(spec.office_id).owner for spec in FLEET[:4]} == {Owner.US}
        assert {world.get_status(spec.office_id).letter for spec in FLEET[:4]} == {""}
        assert world.find_events("headquarters_down") == []
        assert "oddaemon_headquarters_down 0.0" in world.render_metrics()


async def test_an_office_that_was_restarted_in_an_outage_is_asked_within_a_minute_of_its_end(tmp_path: Path) -> None:
    down = ScheduledFault(GatewayError(503), window=FaultWindow(DOWN, UP))
    async with night(tmp_path, FLEET, faults=[down]) as world:
        await world.sleep_until(UP - timedelta(seconds=20))
        await world.crash()
        await world.sleep_until(UP - timedelta(seconds=5))
        await world.start()
        await world.sleep_until(UP + timedelta(minutes=1))
        asked = {each.office_id for each in world.headquarters.traffic if each.arrived >= UP}
        assert asked == {spec.office_id for spec in FLEET}
