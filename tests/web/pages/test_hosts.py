"""The hosts of a fleet on an open page: it follows what happens, and nothing else."""

from dataclasses import replace
from datetime import timedelta

from oddaemon.core.fleet.agreement import ConfigDifference
from oddaemon.core.fleet.member import Departure, Stage
from oddaemon.core.fleet.overview import FleetOverview, MemberSummary
from oddaemon.web.pages.fleet_feed import render_fleet
from oddaemon.web.pages.hosts import make_hosts_view
from oddaemon.web.pages.rendered import RenderedFleet
from oddaemon.web.pages.renderer import Renderer
from oddaemon.web.pages.view_models import FleetPageView
from tests.browser.sample_fleet import NOW
from tests.golden import GoldenTexts

RENDERER = Renderer(str, lambda name: f"/static/{name}")


def make_member(number: int, host: str, departure: Departure | None = None) -> MemberSummary:
    stage, gone_at = (Stage.WORKING, None) if departure is None else (Stage.GONE, NOW)
    return MemberSummary(number, host, stage, "1", "", "", NOW, NOW, NOW, "s", 12, gone_at, departure)


OVERVIEW = FleetOverview(NOW, "a", 1, (make_member(1, "a"), make_member(2, "b")), (), {})


def test_a_renewal_changes_nothing_on_the_page() -> None:
    later = NOW + timedelta(seconds=5)
    renewed = tuple(replace(each, renewed_at=later, expires_at=later) for each in OVERVIEW.members)
    assert make_hosts_view(replace(OVERVIEW, at=later, members=renewed)) == make_hosts_view(OVERVIEW)


def test_every_reason_to_go_is_explained_and_every_stage_is_named() -> None:
    gone = tuple(make_member(3, "c", departure) for departure in Departure)
    assert all(each.why for each in make_hosts_view(replace(OVERVIEW, gone=gone)).gone)
    members = tuple(replace(OVERVIEW.members[0], stage=stage) for stage in Stage if stage is not Stage.GONE)
    assert [each.stage.split(":")[0] for each in make_hosts_view(replace(OVERVIEW, members=members)).hosts] == [
        "joining",
        "working",
        "draining",
    ]


def test_what_an_operator_should_know_is_a_sentence_each(golden: GoldenTexts) -> None:
    difference = ConfigDifference("b", ("elm",), (), shared_settings=False)
    warnings = make_hosts_view(replace(OVERVIEW, differences=(difference,), unheld=2)).warnings
    golden.check("\n".join(warnings))


def test_a_page_is_loaded_again_when_the_hosts_come_or_go_as_a_whole() -> None:
    hosts = make_hosts_view(OVERVIEW)
    first = render_fleet(RENDERER, RenderedFleet(), FleetPageView((), hosts=hosts))
    fewer = render_fleet(RENDERER, first, FleetPageView((), hosts=replace(hosts, hosts=hosts.hosts[:1])))
    assert (fewer.rebuilt_revision, set(fewer.get_changed_parts(first.revision))) == (first.revision, {"hosts"})
    without = render_fleet(RENDERER, fewer, FleetPageView(()))
    assert without.rebuilt_revision == without.revision
    assert "hosts" not in without.parts
