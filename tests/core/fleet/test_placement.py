from collections import Counter
from dataclasses import replace
from datetime import timedelta

from oddaemon.core.fleet.lease import LeaseKind
from oddaemon.core.fleet.member import Member, Stage
from oddaemon.core.fleet.placement import (
    DIFFERENCE_SECONDS,
    choose_host,
    count_unheld,
    describe_holder,
    place_leases,
)
from tests.core.fleet.builders import NOW, make_lease, make_member

OFFICES = {f"office-{number}": "f" for number in range(300)}
HOSTS = ["a", "b", "c", "d"]


def make_members(*stages: Stage) -> list[Member]:
    return [make_member(number, stage=stage, offices=OFFICES) for number, stage in enumerate(stages, start=1)]


def list_names(leases: object) -> set[str]:
    return {each.name for each in leases}  # type: ignore[attr-defined]


def test_offices_are_spread_evenly() -> None:
    counts = Counter(choose_host(make_lease(name), HOSTS) for name in OFFICES)
    assert min(counts.values()) > 300 / len(HOSTS) / 2


def test_only_the_offices_of_a_host_that_leaves_move() -> None:
    for name in OFFICES:
        before, after = (choose_host(make_lease(name), hosts) for hosts in (HOSTS, HOSTS[:-1]))
        assert before in ("d", after)


def test_without_a_host_there_is_no_place() -> None:
    assert choose_host(make_lease("elm"), []) is None


def test_every_free_lease_is_taken_by_one_member() -> None:
    members = make_members(Stage.WORKING, Stage.WORKING, Stage.JOINING)
    leases = [make_lease(name) for name in OFFICES]
    taken = [list_names(place_leases(each, members, leases, NOW).take) for each in members]
    assert taken[0] | taken[1] == set(OFFICES)
    assert not taken[0] & taken[1]
    assert not taken[2]


def test_what_a_living_member_holds_is_not_taken_and_what_a_dead_one_held_is() -> None:
    living, dead = make_member(2, stage=Stage.DRAINING, offices=OFFICES), make_member(3, gone_seconds_ago=1)
    me = make_member(1, offices=OFFICES)
    leases = [make_lease("office-1", 2), make_lease("office-2", 3), make_lease("office-3", 99)]
    assert list_names(place_leases(me, [me, living, dead], leases, NOW).take) == {"office-2", "office-3"}


def test_a_newcomer_receives_a_twentieth_at_a_time() -> None:
    members = make_members(Stage.WORKING, Stage.WORKING)
    leases = [make_lease(name, 1) for name in OFFICES]
    assert len(place_leases(members[0], members, leases, NOW).give_back) == len(OFFICES) // 20
    assert place_leases(members[1], members, leases, NOW).take == ()


def test_a_member_that_drains_gives_everything_back() -> None:
    members = make_members(Stage.DRAINING, Stage.WORKING)
    leases = [make_lease(name, 1) for name in OFFICES]
    assert list_names(place_leases(members[0], members, leases, NOW).give_back) == set(OFFICES)


def test_the_last_member_keeps_what_no_other_can_hold() -> None:
    draining = make_member(1, stage=Stage.DRAINING, offices=OFFICES)
    assert place_leases(draining, [draining], [make_lease("office-1", 1)], NOW).give_back == ()


def test_an_office_that_is_not_configured_any_more_is_given_back() -> None:
    me = make_member(1, offices={})
    assert list_names(place_leases(me, [me], [make_lease("elm", 1)], NOW).give_back) == {"elm"}


def test_a_member_that_may_hold_no_office_takes_none() -> None:
    me = make_member(1, offices=OFFICES)
    assert place_leases(me, [me], [make_lease("office-1")], NOW, may_hold_offices=False).take == ()


def test_a_role_needs_no_configuration() -> None:
    me = make_member(1, offices={})
    role = make_lease("housekeeper", kind=LeaseKind.ROLE)
    assert place_leases(me, [me], [role], NOW).take == (role,)


def test_a_host_that_was_restarted_counts_once_as_its_newest_member() -> None:
    earlier, newest = (make_member(number, "a", offices=OFFICES) for number in (1, 2))
    lease = make_lease("office-1")
    assert place_leases(earlier, [earlier, newest], [lease], NOW).take == ()
    assert place_leases(newest, [earlier, newest], [lease], NOW).take == (lease,)


def test_an_office_stays_with_the_settings_of_its_last_holder_while_a_member_has_them() -> None:
    same, other = make_member(1, offices={"elm": "old"}), make_member(2, offices={"elm": "new"})
    lease = make_lease("elm", fingerprint="old")
    assert place_leases(same, [same, other], [lease], NOW).take == (lease,)
    assert place_leases(other, [same, other], [lease], NOW).take == ()


def test_an_office_whose_settings_died_with_its_host_is_taken_after_a_minute() -> None:
    other = make_member(2, offices={"elm": "new"})
    lease = make_lease("elm", 1, fingerprint="old")
    dead = make_member(1, gone_seconds_ago=DIFFERENCE_SECONDS - 1)
    assert place_leases(other, [dead, other], [lease], NOW).take == ()
    assert place_leases(other, [dead, other], [lease], NOW + timedelta(seconds=1)).take == (lease,)


def test_the_unheld_offices_are_those_that_a_working_member_could_hold() -> None:
    members = [make_member(1, offices={"elm": "f", "oak": "f"}), make_member(2, gone_seconds_ago=1)]
    leases = [
        make_lease("elm", 2), make_lease("oak", 1), make_lease("ash"), make_lease("elm", kind=LeaseKind.SINK),
    ]  # fmt: skip
    assert count_unheld(members, leases) == 1


def test_the_holder_is_known_by_its_host_while_it_lives() -> None:
    members = [make_member(1, "a"), make_member(2, "b", gone_seconds_ago=1)]
    found = [describe_holder(make_lease("elm", holder), members) for holder in (1, 2, 3, None)]
    assert found == ["a", None, None, None]


def test_a_sink_runs_only_where_it_may_and_a_role_anywhere() -> None:
    a, b = make_member(1, "a"), replace(make_member(2, "b"), sinks={"lake": "f"})
    lake, role = make_lease("lake", kind=LeaseKind.SINK), make_lease("housekeeper", kind=LeaseKind.ROLE)
    newer = make_lease("a role of the next version", kind=LeaseKind.ROLE)
    assert place_leases(a, [a, b], [lake], NOW).take == ()
    assert place_leases(b, [a, b], [lake], NOW).take == (lake,)
    assert [bool(place_leases(each, [a, b], [role], NOW).take) for each in (a, b)].count(True) == 1
    assert [place_leases(each, [a, b], [newer], NOW).take for each in (a, b)] == [(), ()]


def test_no_lease_waits_for_a_host_that_has_been_silent_for_half_of_its_own() -> None:
    a, b = make_member(1, "a"), make_member(2, "b")
    offices = {f"office-{number}": "f" for number in range(20)}
    a, b = (replace(each, offices=offices) for each in (a, b))
    free = [make_lease(name) for name in offices]
    shortly, later = NOW + timedelta(seconds=7), NOW + timedelta(seconds=8)
    assert 0 < len(place_leases(a, [a, b], free, shortly).take) < len(free)
    assert place_leases(a, [a, b], free, later).take == tuple(free)
    held = [make_lease(name, 1, fingerprint="f") for name in offices]
    assert place_leases(a, [a, b], held, later).give_back == ()
