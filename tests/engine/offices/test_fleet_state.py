"""Whose offices a daemon shows, and whose it measures."""

from datetime import UTC, datetime

from oddaemon.core.fleet.overview import FleetOverview, OfficeHolder
from oddaemon.core.model import OfficeSpec
from oddaemon.core.office.machine import make_initial_state
from oddaemon.core.reporting.office_runtime import OfficeRuntime
from oddaemon.engine.offices.fleet_state import FleetState

NOW = datetime(2026, 3, 8, 12, 0, tzinfo=UTC)
OVERVIEW = FleetOverview(NOW, "a", 1, (), (), {"elm": OfficeHolder("a", NOW), "oak": OfficeHolder("b", NOW)})


def make_fleet_state() -> FleetState:
    fleet = FleetState(lambda: NOW)
    for office_id in ("ash", "elm", "oak"):
        fleet.offices[office_id] = OfficeRuntime(OfficeSpec(office_id, office_id), make_initial_state(NOW), NOW)
    return fleet


def test_a_daemon_without_a_fleet_measures_every_office_and_names_no_host() -> None:
    fleet = make_fleet_state()
    assert fleet.get_held_statuses() == fleet.get_statuses()
    assert {each.host for each in fleet.get_statuses()} == {None}


def test_a_host_shows_every_office_with_its_holder_and_measures_its_own() -> None:
    fleet = make_fleet_state()
    fleet.follow_holder(lambda office_id: office_id == "elm")
    fleet.show_overview(OVERVIEW)
    assert [(each.id, each.host) for each in fleet.get_statuses()] == [("ash", None), ("elm", "a"), ("oak", "b")]
    assert [each.id for each in fleet.get_held_statuses()] == ["elm"]


def test_a_host_without_its_database_knows_no_holder() -> None:
    fleet = make_fleet_state()
    fleet.show_overview(OVERVIEW)
    fleet.show_overview(None)
    assert {(each.host, each.held_since) for each in fleet.get_statuses()} == {(None, None)}
    assert fleet.overview is None
