"""The document of a fleet's hosts is a contract."""

import json

from oddaemon.core.fleet.agreement import ConfigDifference
from oddaemon.core.fleet.member import Departure
from oddaemon.core.fleet.overview import FleetOverview, OfficeHolder, Replication
from oddaemon.core.model import Condition, Status
from oddaemon.core.reporting.fleet_document import make_overview_document
from oddaemon.core.reporting.status_document import OfficeStatus, make_status_document
from tests.core.fleet.builders import NOW
from tests.core.fleet.test_overview import make_summary

OVERVIEW = FleetOverview(
    NOW,
    "a",
    1,
    (make_summary(1, "a"),),
    (make_summary(2, "b", Departure.EXPIRED),),
    {"elm": OfficeHolder("a", NOW)},
    unheld=2,
    differences=(ConfigDifference("a", ("oak",), ("elm",), shared_settings=True),),
    replication=Replication(1, is_synchronous=False, lag_seconds=0.25),
)


def test_the_document_is_the_contract() -> None:
    document = json.loads(json.dumps(make_overview_document(OVERVIEW)))
    sentence = document["differences"][0].pop("sentence")
    assert "oak" in sentence
    member = {
        "number": 1,
        "host": "a",
        "stage": "working",
        "version": "1",
        "offices": 0,
        "joined_at": "2026-03-02T08:00:00.000Z",
        "renewed_at": "2026-03-02T08:00:00.000Z",
        "expires_at": "2026-03-02T08:00:15.000Z",
        "settings": "s",
        "network": "",
        "address": "",
        "gone_at": None,
        "departure": None,
    }
    gone = {"number": 2, "host": "b", "stage": "gone", "gone_at": member["joined_at"], "departure": "expired"}
    assert document == {
        "at": "2026-03-02T08:00:00.000Z",
        "host": "a",
        "members": [member],
        "gone": [member | gone],
        "lost_hosts": ["b"],
        "offices": {"held": 1, "unheld": 2},
        "differences": [{"host": "a", "lacks": ["oak"], "differs": ["elm"], "shared_settings": True}],
        "database": {"standbys": 1, "is_synchronous": False, "lag_seconds": 0.25},
    }


def test_only_the_status_of_a_fleet_has_its_hosts() -> None:
    elm = OfficeStatus("elm", "Elm", Status(Condition.FRESH, NOW, "All true."), host="a", held_since=NOW)
    document = make_status_document([elm], NOW, OVERVIEW)
    assert (document["offices"][0]["host"], document["fleet"]["host"]) == ("a", "a")
    assert document["offices"][0]["held_since"] == "2026-03-02T08:00:00.000Z"
    assert "fleet" not in make_status_document([elm], NOW)
