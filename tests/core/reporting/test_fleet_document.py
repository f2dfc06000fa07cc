"""The document of a fleet, as programs read it."""

from datetime import timedelta

from oddaemon.core.fleet.agreement import ConfigDifference
from oddaemon.core.fleet.member import Departure, Stage
from oddaemon.core.fleet.overview import FleetOverview, MemberSummary, OfficeHolder, Replication
from oddaemon.core.reporting.fleet_document import make_overview_document
from oddaemon.core.reporting.status_document import make_status_document
from tests.core.fleet.builders import NOW

EXPIRES = NOW + timedelta(seconds=15)
MEMBER = MemberSummary(7, "a", Stage.WORKING, "0.1.0", "", "", NOW, NOW, EXPIRES, "f00", offices=1)
GONE = MemberSummary(
    6, "b", Stage.GONE, "0.1.0", "", "", NOW, NOW, EXPIRES, "f00", gone_at=NOW, departure=Departure.EXPIRED
)
OVERVIEW = FleetOverview(
    at=NOW,
    host="a",
    number=7,
    members=(MEMBER,),
    gone=(GONE,),
    holders={"elm": OfficeHolder("a", NOW)},
    unheld=2,
    differences=(ConfigDifference("b", ("elm",), (), shared_settings=True),),
    replication=Replication(1, is_synchronous=True, lag_seconds=0.5),
)


def test_the_document_says_who_is_there_and_what_they_hold() -> None:
    document = make_overview_document(OVERVIEW)
    assert [(each["host"], each["stage"], each["offices"]) for each in document["members"]] == [("a", "working", 1)]
    assert [(each["host"], each["departure"]) for each in document["gone"]] == [("b", "expired")]
    assert document["offices"] == {"held": 1, "unheld": 2}
    assert [(each["host"], each["lacks"]) for each in document["differences"]] == [("b", ["elm"])]
    assert document["database"] == {"standbys": 1, "is_synchronous": True, "lag_seconds": 0.5}


def test_the_status_has_it_only_in_a_fleet() -> None:
    assert make_status_document([], NOW, OVERVIEW)["fleet"] == make_overview_document(OVERVIEW)
    assert "fleet" not in make_status_document([], NOW)
