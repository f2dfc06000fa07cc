"""Each checker of a fleet's invariants finds what is planted, and nothing in a run that is as it should be."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from oddaemon.simulator.api.messages import Endpoint
from oddaemon.simulator.headquarters.traffic_log import RecordedRequest
from tests.fleet.checkers.agreement import (
    find_command_violations,
    find_lone_destruction,
    find_long_waits,
    find_repeated_nights,
)
from tests.fleet.checkers.leases import (
    find_broken_generations,
    find_requests_without_lease,
    find_revived_members,
    find_unfenced_writes,
)
from tests.fleet.checkers.publication import (
    Acknowledgement,
    ReceivedDelivery,
    find_delivery_violations,
    find_lost_snapshots,
    find_repeated_snapshots,
)
from tests.fleet.checkers.traffic import (
    find_impolite_requests,
    find_late_takeovers,
    find_longest_gaps,
    measure_takeovers,
)
from tests.fleet.evidence import (
    CommandRow,
    DeliveryRow,
    HostDeath,
    LeaseRow,
    LockWait,
    MemberRow,
    OfficeWrite,
    Sample,
    SnapshotRow,
)

NOW = datetime(2025, 3, 3, 18, 0, tzinfo=UTC)
MEMBERS = {1: MemberRow(1, "a"), 2: MemberRow(2, "b")}
GONE = {**MEMBERS, 1: MemberRow(1, "a", "gone")}


def make_sample(seconds: float = 0.0, holder: int | None = 1, generation: int = 1, **more: Any) -> Sample:
    leases = {("office", "elm"): LeaseRow("office", "elm", holder, generation)}
    return Sample(NOW + timedelta(seconds=seconds), **{"members": MEMBERS, "leases": leases, **more})


def make_request(host: str, seconds: float, took: float = 0.1, **more: Any) -> RecordedRequest:
    values: dict[str, Any] = {
        "arrived_seconds": seconds,
        "started_seconds": seconds,
        "executed_seconds": seconds + took,
        "finished_seconds": seconds + took,
        "status": 200,
        "spacing_seconds": 1.0,
        "client": host,
        **more,
    }
    office = values.pop("office_id", "elm")
    arrived = NOW + timedelta(seconds=seconds)
    return RecordedRequest(office, office, "GET", Endpoint.PREFERENCES, arrived, **values)


class TestLeases:
    def test_a_lease_that_is_taken_over_under_the_next_generation_is_fine(self) -> None:
        samples = [make_sample(), make_sample(1, 1, members=GONE), make_sample(2, 2, 2, members=GONE)]
        assert not list(find_broken_generations(samples))
        assert not list(find_revived_members(samples))

    @pytest.mark.parametrize(
        "second",
        [
            make_sample(1, 2, 1),
            make_sample(1, 1, 0),
            make_sample(1, 1, 2, members=GONE),
        ],
        ids=["two holders", "it falls", "taken by one that was gone"],
    )
    def test_a_broken_generation_is_found(self, second: Sample) -> None:
        assert list(find_broken_generations([make_sample(members=second.members), second]))

    def test_a_member_that_comes_back_to_life_is_found(self) -> None:
        (found,) = find_revived_members([make_sample(members=GONE), make_sample(1)])
        assert found.subject == "member 1"

    def test_a_request_of_a_host_without_the_lease_is_found(self) -> None:
        samples = [make_sample(seconds / 2) for seconds in range(20)]
        fine, stray = make_request("a", 5), make_request("b", 6)
        (found,) = find_requests_without_lease(samples, [fine, stray], {})
        assert found.subject == "elm"

    def test_a_request_of_the_moment_of_a_takeover_may_be_of_either(self) -> None:
        samples = [make_sample(0), make_sample(1), make_sample(2, 2, 2), make_sample(3, 2, 2)]
        assert not list(find_requests_without_lease(samples, [make_request("a", 1), make_request("b", 2)], {}))

    @pytest.mark.parametrize(("member", "count"), [(1, 0), (2, 1), (None, 1)])
    def test_a_write_without_the_lease_is_found(self, member: int | None, count: int) -> None:
        found = list(find_unfenced_writes([OfficeWrite("snapshot", "elm", NOW, member, 1)]))
        assert len(found) == count


class TestTraffic:
    @pytest.mark.parametrize(
        ("requests", "invariant"),
        [
            ([make_request("a", 0, 5), make_request("b", 3)], "I3"),
            ([make_request("a", 0), make_request("b", 0.5)], "I3"),
            ([make_request("a", 0, 20, finished_seconds=2, status=None), make_request("b", 10)], "I3"),
            ([make_request("a", each / 100, office_id=f"o{each}") for each in range(6)], "I4"),
            ([make_request("a", each, 9, office_id=f"o{each}") for each in range(4)], "I4"),
            ([make_request("a", 0, status=429, retry_after_seconds=30), make_request("b", 10)], "I5"),
        ],
        ids=["in flight", "spacing", "beside an abandoned one", "pace", "too many", "Retry-After"],
    )
    def test_an_impolite_request_is_found(self, requests: list[RecordedRequest], invariant: str) -> None:
        found = list(find_impolite_requests(requests, max_in_flight=3, max_requests_per_second=5))
        assert {each.invariant for each in found} == {invariant}

    def test_polite_requests_are_fine(self) -> None:
        requests = [make_request("ab"[each % 2], 2 * each) for each in range(9)]
        requests.append(make_request("a", 20, 20, finished_seconds=21, status=None))
        requests.append(make_request("b", 41))
        assert not list(find_impolite_requests(requests, max_in_flight=1, max_requests_per_second=1))

    @pytest.mark.parametrize(
        ("seconds", "open_seconds", "is_late"),
        [(20, None, False), (31, None, True), (None, None, True), (70, 66, False), (72, 66, True)],
    )
    def test_a_late_takeover_is_found(
        self, seconds: float | None, open_seconds: float | None, *, is_late: bool
    ) -> None:
        death = HostDeath("a", 100, frozenset({"elm"}), {} if open_seconds is None else {"elm": open_seconds})
        requests = [make_request("a", 99), make_request("a", 101)]
        requests += [] if seconds is None else [make_request("b", 100 + seconds)]
        takeovers = measure_takeovers(death, requests)
        assert bool(list(find_late_takeovers(takeovers))) == is_late

    def test_an_office_whose_next_host_died_before_it_asked_is_measured_from_that_death(self) -> None:
        first, second = (HostDeath(host, seconds, frozenset({"elm"})) for host, seconds in (("a", 100), ("b", 117)))
        requests = [make_request("a", 99), make_request("c", 135)]
        assert measure_takeovers(first, requests, [first, second]) == []
        assert [each.seconds for each in measure_takeovers(second, requests, [first, second])] == [18]
        asked = [make_request("a", 99), make_request("b", 116), make_request("c", 135)]
        assert [each.seconds for each in measure_takeovers(first, asked, [first, second])] == [16]

    def test_a_host_that_is_back_may_ask_what_it_had_itself(self) -> None:
        death = HostDeath("a", 100, frozenset({"elm"}), {"elm": 75.0}, back_seconds=160)
        requests = [make_request("a", 99), make_request("a", 101), make_request("a", 175)]
        assert [each.seconds for each in measure_takeovers(death, requests)] == [75]
        assert [each.seconds for each in measure_takeovers(replace(death, back_seconds=176), requests)] == [None]

    def test_the_longest_gap_counts_the_edges(self) -> None:
        requests = [make_request("a", 3), make_request("b", 5)]
        assert find_longest_gaps(requests, 0, 12) == {"elm": 7}


class TestPublication:
    ROWS = (SnapshotRow(1, "elm", NOW), SnapshotRow(2, "oak", NOW), SnapshotRow(3, "elm", NOW + timedelta(days=1)))

    def test_two_snapshots_of_one_observation_are_found(self) -> None:
        assert not list(find_repeated_snapshots(self.ROWS))
        (found,) = find_repeated_snapshots([*self.ROWS, SnapshotRow(4, "elm", NOW)])
        assert found.subject == "elm"

    def test_a_lost_snapshot_is_found(self) -> None:
        published = [Acknowledgement("elm", 1), Acknowledgement("oak", 2), Acknowledgement("elm", 3)]
        assert not list(find_lost_snapshots(self.ROWS, published))
        assert len(list(find_lost_snapshots(self.ROWS, [Acknowledgement("oak", 1), Acknowledgement("oak", 9)]))) == 2

    def deliver(self, *ids: str, **states: str) -> list[str]:
        rows = [
            DeliveryRow(number, f"d{number}", "hook", "elm", number, states.get(f"d{number}", "due"))
            for number in range(1, 4)
        ]
        received = [ReceivedDelivery("hook", "elm", each) for each in ids]
        return [str(each) for each in find_delivery_violations(rows, received)]

    def test_deliveries_in_order_and_repeated_ones_are_fine(self) -> None:
        assert not self.deliver("d1", "d2", "d1", "d3", d1="done", d2="done", d3="done")

    @pytest.mark.parametrize(
        ("ids", "states"),
        [(["d2", "d1"], {}), (["d9"], {}), (["d1"], {"d2": "done"})],
        ids=["order", "unknown", "done and never came"],
    )
    def test_a_wrong_delivery_is_found(self, ids: list[str], states: dict[str, str]) -> None:
        assert len(self.deliver(*ids, **states)) == 1

    def test_a_snapshot_that_is_queued_twice_is_found(self) -> None:
        rows = [DeliveryRow(number, f"d{number}", "hook", "elm", 7, "due") for number in (1, 2)]
        assert len(list(find_delivery_violations(rows, []))) == 1


class TestAgreement:
    FINE = CommandRow(1, "office", "elm", "pause", 2, NOW, "Paused.")

    def test_commands_that_were_obeyed_once_or_refused_are_fine(self) -> None:
        rows = [self.FINE, CommandRow(2, "office", "oak", "sync", None, NOW, "No such office.", is_refused=True)]
        assert not list(find_command_violations(rows, [1]))

    @pytest.mark.parametrize(
        ("row", "obeyed"),
        [
            (replace(FINE, answered_at=None), []),
            (replace(FINE, outcome=None), []),
            (replace(FINE, taken_by=None), []),
            (replace(FINE, is_refused=True), [1]),
            (FINE, [1, 1]),
            (FINE, [5]),
        ],
    )
    def test_a_command_that_went_wrong_is_found(self, row: CommandRow, obeyed: list[int]) -> None:
        assert len(list(find_command_violations([row], obeyed))) == 1

    @pytest.mark.parametrize(
        ("wait", "count"),
        [(LockWait(1, 12.0, (2,)), 1), (LockWait(1, 12.0, (1,)), 0), (LockWait(1, 3.0, (2,)), 0)],
    )
    def test_a_long_wait_for_another_host_is_found(self, wait: LockWait, count: int) -> None:
        assert len(list(find_long_waits([make_sample(waits=(wait,))]))) == count

    @pytest.mark.parametrize("what", ["wanted", "sinks"])
    def test_what_goes_away_while_hosts_differ_is_found(self, what: str) -> None:
        differing = {1: MemberRow(1, "a", offices='{"elm": "1"}'), 2: MemberRow(2, "b")}
        for members, count in ((differing, 1), (MEMBERS, 0)):
            gone: dict[str, Any] = {what: frozenset({"elm"})}
            samples = [make_sample(members=members, **gone), make_sample(1, members=members)]
            assert len(list(find_lone_destruction(samples))) == count

    def test_a_night_that_is_reported_twice_is_found(self) -> None:
        night = {"event": "night_complete", "night": "2025-03-03"}
        other = {"event": "night_complete", "night": "2025-03-04"}
        assert not list(find_repeated_nights({"a": [night], "b": [other]}, ["2025-03-03 complete"]))
        assert len(list(find_repeated_nights({"a": [night], "b": [night]}))) == 1
        assert len(list(find_repeated_nights({}, ["2025-03-03 complete"] * 2))) == 1
