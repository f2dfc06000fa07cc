from hypothesis import given
from hypothesis import strategies as st

from oddaemon.core.fleet.member import Stage
from oddaemon.core.fleet.share import (
    Caps,
    compute_share,
    find_known_number,
    has_room,
    may_hold_offices,
)
from tests.core.fleet.builders import NOW, make_lease, make_member

CAPS = Caps(10, 20.0)


def test_a_member_alone_has_the_caps_whole() -> None:
    me = make_member(1)
    assert compute_share(CAPS, [me], [], me, NOW) == CAPS


def test_the_rest_of_a_division_goes_to_the_first_members() -> None:
    members = [make_member(number) for number in (1, 2, 3, 4)]
    shares = [compute_share(Caps(10, 22.5), members, [], each, NOW) for each in members]
    assert [each.max_in_flight for each in shares] == [3, 3, 2, 2]
    assert [each.max_requests_per_second for each in shares] == [6.0, 6.0, 5.0, 5.0]


@given(st.integers(1, 40), st.floats(0.2, 100.0))
def test_a_newcomer_makes_no_part_larger_and_all_parts_are_no_more_than_the_cap(count: int, pace: float) -> None:
    members = [make_member(number) for number in range(1, count + 2)]
    before = [compute_share(Caps(10, pace), members[:-1], [], each, NOW) for each in members[:-1]]
    after = [compute_share(Caps(10, pace), members, [], each, NOW) for each in members]
    assert sum(each.max_requests_per_second for each in after) <= pace * 1.000001
    for one, other in zip(before, after, strict=False):
        assert other.max_requests_per_second <= one.max_requests_per_second
        assert other.max_in_flight <= one.max_in_flight


def test_a_pace_of_fewer_requests_than_members_is_divided_all_the_same() -> None:
    members = [make_member(number) for number in (1, 2, 3, 4)]
    shares = [compute_share(Caps(10, 3.2), members, [], each, NOW) for each in members]
    assert [each.max_requests_per_second for each in shares] == [0.8] * 4


def test_another_network_has_caps_of_its_own() -> None:
    me = make_member(1)
    assert compute_share(CAPS, [me, make_member(2, network="198.51.100.1")], [], me, NOW) == CAPS


def test_a_member_that_is_gone_has_no_part() -> None:
    me = make_member(1, gone_seconds_ago=1)
    assert compute_share(CAPS, [me], [], me, NOW).max_in_flight == 0


def test_a_dead_member_keeps_its_part_while_its_requests_may_be_under_way() -> None:
    me, dead = make_member(1), make_member(2, gone_seconds_ago=30)
    under_way, over = make_lease("elm", asked_by=2, open_seconds=1), make_lease("oak", asked_by=2, open_seconds=0)
    assert compute_share(CAPS, [me, dead], [under_way], me, NOW).max_in_flight == 5
    assert compute_share(CAPS, [me, dead], [over, make_lease("ash")], me, NOW) == CAPS


def test_a_newcomer_waits_for_what_a_member_left_that_died_before_it_made_room() -> None:
    dead, newcomer = make_member(1, gone_seconds_ago=30, knows=1), make_member(2)
    leases = [make_lease(str(number), asked_by=1, open_seconds=9) for number in range(8)]
    assert compute_share(CAPS, [dead, newcomer], leases, newcomer, NOW).max_in_flight == 2
    leases += [make_lease(str(number), asked_by=1, open_seconds=9) for number in range(8)]
    assert compute_share(CAPS, [dead, newcomer], leases, newcomer, NOW).max_in_flight == 0


def test_a_member_that_has_just_died_may_have_sent_a_request_a_moment_ago() -> None:
    me, dead = make_member(1), make_member(2, gone_seconds_ago=1)
    assert compute_share(CAPS, [me, dead], [], me, NOW) == Caps(10, 10.0)


def test_a_newcomer_begins_when_every_other_has_made_room() -> None:
    me = make_member(3, stage=Stage.JOINING)
    assert has_room(me, [me, make_member(1, knows=3), make_member(2, knows=3)])
    assert not has_room(me, [me, make_member(1, knows=3), make_member(2, knows=2)])
    assert has_room(me, [me, make_member(1, knows=2, gone_seconds_ago=1), make_member(2, knows=1, network="other")])


def test_of_two_newcomers_the_later_one_waits() -> None:
    first, later = (make_member(number, stage=Stage.JOINING, knows=0) for number in (1, 2))
    assert has_room(first, [first, later])
    assert not has_room(later, [first, later])


def test_room_is_made_once_no_more_is_under_way_than_the_part_allows() -> None:
    me, newcomer = make_member(1, knows=1), make_member(2, stage=Stage.JOINING)
    share = compute_share(CAPS, [me, newcomer], [], me, NOW)
    assert find_known_number([me, newcomer], me, 6, share) == 1
    assert find_known_number([me, newcomer], me, 5, share) == 2


def test_more_members_than_requests_in_flight_leave_the_last_ones_without_offices() -> None:
    members = [make_member(number) for number in (1, 2, 3)]
    assert [may_hold_offices(Caps(2, 1.0), members, each) for each in members] == [True, True, False]
