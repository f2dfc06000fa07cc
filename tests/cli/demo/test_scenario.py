import json
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

import oddaemon
from oddaemon.cli.demo.scenario import INTERRUPTED_OFFICE, make_scenarios, render_plan
from oddaemon.core.model import Cadence, Condition, Preferences
from oddaemon.core.office.aging import Aging, AgingStatus, evaluate_aging
from oddaemon.core.office.cadence import compute_late_at
from oddaemon.core.office.clock import OfficeClock
from oddaemon.simulator.plan.plan_file import parse_plan

NOW = datetime(2026, 3, 8, 12, 0, tzinfo=UTC)
INSTANTS = st.datetimes(datetime(2024, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the strategy adds the zone
NIGHT = timedelta(seconds=60)
CADENCE = Cadence()


def get_office(office_id: str, now: datetime) -> dict[str, Any]:
    return next(dict(scenario.office) for scenario in make_scenarios(now, 25, 7) if scenario.id == office_id)


def evaluate_office_aging(office: dict[str, Any], now: datetime) -> tuple[Aging, OfficeClock]:
    clock = OfficeClock(ZoneInfo(office["zone"]))
    last = office.get("last_aging", clock.to_local(now).date() - timedelta(days=1))
    preferences = Preferences(
        date_last_aging="" if last == "never" else str(last),
        aging_service_time_due=f"2000-01-01 {office['service_time_due']}",
        aging_begin="",
        monthly="1" if office.get("monthly") else "0",
        program_version=office.get("program_version", "25.4.48.0"),
        read_at=now,
    )
    return evaluate_aging(preferences, clock, now, CADENCE), clock


def test_the_scenarios_are_those_that_the_demo_promises() -> None:
    characters = make_scenarios(NOW, 25, 7)
    guarantors = [int(str(scenario.office["guarantors"])) for scenario in characters]

    assert len(characters) == len({character.id for character in characters}) == 25
    assert (min(guarantors), max(guarantors)) == (0, 8000)
    assert len({character.office["zone"] for character in characters}) == 4
    assert INTERRUPTED_OFFICE in {character.id for character in characters}
    assert {character.expected.condition for character in characters} >= {
        Condition.FRESH,
        Condition.BLOCKED,
        Condition.LATE,
        Condition.UNREACHABLE,
        Condition.SUSPECT,
    }


def test_every_office_that_is_not_fresh_must_say_why() -> None:
    for scenario in make_scenarios(NOW, 25, 7):
        assert scenario.expected.condition is Condition.FRESH or scenario.expected.reason_contains


def test_more_offices_are_ordinary_ones_and_follow_from_the_seed() -> None:
    assert make_scenarios(NOW, 40, 7) == make_scenarios(NOW, 40, 7) != make_scenarios(NOW, 40, 8)
    assert len(make_scenarios(NOW, 40, 7)) == 40
    assert make_scenarios(NOW, 40, 7)[:25] == make_scenarios(NOW, 25, 7)


@pytest.mark.parametrize("hours", [0, 7, 19])
def test_the_plan_is_one_that_the_simulator_takes(hours: int) -> None:
    plan = parse_plan(json.loads(render_plan(make_scenarios(NOW + timedelta(hours=hours), 27, 7), 7)))

    assert len(plan.offices) == 27


@given(INSTANTS)
def test_the_late_office_is_late_at_any_hour(now: datetime) -> None:
    office = get_office("chestnut-row", now)
    for moment in (now, now + NIGHT):
        aging, clock = evaluate_office_aging(office, moment)
        late_at = compute_late_at(aging, clock, time.fromisoformat(office["config"]["fresh_by"]), CADENCE)

        assert aging.status is AgingStatus.MISSED
        assert late_at is not None
        assert late_at <= moment


@given(INSTANTS)
def test_the_office_that_never_aged_waits_and_says_so_at_any_hour(now: datetime) -> None:
    office = get_office("cypress-court", now)
    for moment in (now, now + NIGHT):
        aging, _ = evaluate_office_aging(office, moment)

        assert aging.status in {AgingStatus.WAITING, AgingStatus.MISSED}
        assert "never run" in aging.reason
    assert office["config"]["fresh_by"] == ""


@given(INSTANTS)
def test_the_monthly_office_is_content_at_any_hour(now: datetime) -> None:
    assert evaluate_office_aging(get_office("linden-square", now), now)[0].status is AgingStatus.MONTHLY


def test_the_expected_reasons_are_in_the_sentences_of_the_core() -> None:
    core = Path(oddaemon.__file__).parent / "core"
    sentences = "".join(path.read_text(encoding="utf-8") for path in core.rglob("*.py")).casefold()
    for scenario in make_scenarios(datetime(2026, 3, 8, 12, tzinfo=UTC), 25, 7):
        assert scenario.expected.reason_contains.casefold() in sentences, scenario.id
