"""What people see of a fleet: who holds what, and which hosts are missing."""

from datetime import timedelta

from oddaemon.core.fleet.member import Departure, Stage
from oddaemon.core.fleet.overview import FleetOverview, MemberSummary, find_holders
from tests.core.fleet.builders import NOW, make_member


def make_summary(number: int, host: str, departure: Departure | None = None, *, gone_minutes: int = 0) -> MemberSummary:
    """A working member; with a departure one that has been gone for so long."""
    gone_at = None if departure is None else NOW - timedelta(minutes=gone_minutes)
    stage = Stage.WORKING if departure is None else Stage.GONE
    return MemberSummary(
        number, host, stage, "1", "", "", NOW, NOW, NOW + timedelta(seconds=15), "s", 0, gone_at, departure
    )


def make_overview(members: list[MemberSummary], gone: list[MemberSummary]) -> FleetOverview:
    return FleetOverview(NOW, "a", 1, tuple(members), tuple(gone), {})


def test_an_office_is_held_by_a_living_member_or_by_none() -> None:
    members = [make_member(1, "a"), make_member(2, "b", gone_seconds_ago=1)]
    holders = find_holders(members, [("elm", 1, NOW), ("oak", 2, NOW), ("ash", 3, NOW)])
    assert {office: member.host for office, (member, _) in holders.items()} == {"elm": "a"}


def test_a_host_is_lost_until_it_comes_back() -> None:
    expired = make_summary(2, "b", Departure.EXPIRED)
    assert make_overview([make_summary(1, "a")], [expired]).lost_hosts == ("b",)
    assert make_overview([make_summary(1, "a"), make_summary(3, "b")], [expired]).lost_hosts == ()


def test_a_host_that_drained_is_not_lost_whatever_was_before() -> None:
    drained, expired = make_summary(3, "b", Departure.DRAINED), make_summary(2, "b", Departure.EXPIRED, gone_minutes=9)
    assert make_overview([], [drained, expired]).lost_hosts == ()


def test_stages_are_counted_also_those_of_no_member() -> None:
    counts = make_overview([make_summary(1, "a"), make_summary(2, "b")], []).count_stages()
    assert counts == {Stage.JOINING: 0, Stage.WORKING: 2, Stage.DRAINING: 0}


def test_a_member_finds_itself() -> None:
    me = make_summary(1, "a")
    assert make_overview([make_summary(2, "b"), me], []).me is me
    assert make_overview([], []).me is None
