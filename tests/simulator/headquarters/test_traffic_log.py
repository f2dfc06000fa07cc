from datetime import UTC, datetime, timedelta

from oddaemon.simulator.api.messages import Endpoint
from oddaemon.simulator.headquarters.traffic_log import (
    RecordedRequest,
    Violation,
    ViolationKind,
    find_violations,
)
from tests.golden import GoldenTexts

OPENED = datetime(2025, 3, 3, 9, 0, tzinfo=UTC)


def make_request(
    key: str,
    arrived: float,
    finished: float,
    *,
    spacing: float = 0.0,
    retry_after: float | None = None,
    kind: Endpoint = Endpoint.PREFERENCES,
    status: int | None = 200,
) -> RecordedRequest:
    return RecordedRequest(
        key=key,
        office_id=key,
        method="GET",
        kind=kind,
        arrived=OPENED + timedelta(seconds=arrived),
        arrived_seconds=arrived,
        started_seconds=arrived,
        finished_seconds=finished,
        status=status,
        retry_after_seconds=retry_after,
        spacing_seconds=spacing,
    )


def test_a_polite_log_has_no_violations() -> None:
    log = [make_request("a", i, i + 0.5, spacing=1.0) for i in range(10)]
    log += [make_request("b", i + 0.1, i + 0.6, spacing=1.0) for i in range(10)]
    assert find_violations(log, max_in_flight=2, max_requests_per_second=2) == []


def test_two_in_flight_on_one_key_are_seen() -> None:
    first, second = make_request("a", 0, 3), make_request("a", 2, 4)
    assert find_violations([second, first]) == [Violation(ViolationKind.TWO_IN_FLIGHT, second, first)]


def test_two_in_flight_are_seen_across_a_short_one_between() -> None:
    long, short, late = make_request("a", 0, 10), make_request("a", 1, 2), make_request("a", 5, 6)
    assert find_violations([long, short, late]) == [
        Violation(ViolationKind.TWO_IN_FLIGHT, each, long) for each in (short, late)
    ]


def test_two_keys_may_be_in_flight_together() -> None:
    assert find_violations([make_request("a", 0, 3), make_request("b", 1, 4)]) == []


def test_a_request_that_comes_too_soon_is_seen_whatever_the_one_before_took() -> None:
    first, second, third = (make_request("a", at, at + 0.1, spacing=5.0) for at in (0.0, 4.9, 9.9))
    assert find_violations([first, second, third]) == [Violation(ViolationKind.TOO_SOON, second, first)]


def test_the_tolerance_forgives_what_the_network_adds() -> None:
    log = [make_request("a", at, at + 0.1, spacing=1.0) for at in (0.0, 0.98)]
    assert find_violations(log, tolerance_seconds=0.05) == []
    assert len(find_violations(log, tolerance_seconds=0.01)) == 1


def test_a_request_before_retry_after_has_passed_is_seen() -> None:
    throttled, early, obeyed = (
        make_request("a", 0, 1, retry_after=30),
        make_request("a", 20, 21),
        make_request("a", 31, 32),
    )
    assert find_violations([throttled, early, obeyed]) == [
        Violation(ViolationKind.RETRY_AFTER_IGNORED, early, throttled)
    ]
    assert find_violations([throttled, obeyed]) == []


def test_every_request_before_retry_after_has_passed_is_seen() -> None:
    throttled, *early = make_request("a", 0, 1, retry_after=30), make_request("a", 20, 21), make_request("a", 25, 26)
    assert find_violations([throttled, *early]) == [
        Violation(ViolationKind.RETRY_AFTER_IGNORED, each, throttled) for each in early
    ]


def test_a_retry_after_of_hours_may_be_cut_to_the_agreed_time() -> None:
    log = [make_request("a", 0, 1, retry_after=36_000), make_request("a", 901, 902)]
    assert find_violations(log, retry_after_max_seconds=900) == []
    assert len(find_violations(log)) == 1


def test_too_many_in_flight_of_all_keys_are_seen(golden: GoldenTexts) -> None:
    log = [make_request(key, i / 10, 5) for i, key in enumerate("abcd")]
    assert find_violations(log, max_in_flight=4) == []
    found = find_violations(log, max_in_flight=3)
    assert found == [Violation(ViolationKind.TOO_MANY_IN_FLIGHT, log[3])]
    golden.check(found[0].details)


def test_too_many_in_any_one_second_are_seen(golden: GoldenTexts) -> None:
    log = [make_request(key, at, at) for key, at in zip("abcde", (0.0, 0.7, 1.4, 1.5, 2.8), strict=True)]
    assert find_violations(log, max_requests_per_second=3) == []
    found = find_violations(log, max_requests_per_second=2)
    assert found == [Violation(ViolationKind.TOO_FAST, log[3])]
    golden.check(found[0].details)


def test_requests_of_unknown_keys_count_only_for_the_limits_of_all() -> None:
    log = [make_request("?", 0, 1), make_request("?", 0.5, 1)]
    assert find_violations(log) == []
    assert len(find_violations(log, max_in_flight=1)) == 1


def test_a_violation_names_its_rule_key_instant_and_measurement(golden: GoldenTexts) -> None:
    throttled, early = make_request("a", 0, 1, retry_after=30), make_request("a", 20, 21)
    golden.check(str(find_violations([throttled, early])[0]))


def make_statement(arrived: float, finished: float, status: int | None) -> RecordedRequest:
    return make_request("a", arrived, finished, kind=Endpoint.SHORT_QUERY, status=status)


def test_a_statement_beside_one_that_still_runs_at_the_office_is_seen() -> None:
    slow, get, early = make_statement(0, 60, 504), make_request("a", 70, 71), make_statement(100, 101, 200)
    assert find_violations([slow, get, early]) == [Violation(ViolationKind.STATEMENT_TOO_SOON, early, slow)]
    given_up = make_statement(0, 75, None)
    assert find_violations([given_up, early]) == [Violation(ViolationKind.STATEMENT_TOO_SOON, early, given_up)]


def test_a_statement_after_the_pause_or_after_an_answer_is_polite() -> None:
    slow, answered, refused = make_statement(0, 60, 504), make_statement(120, 121, 200), make_statement(122, 123, 400)
    assert find_violations([slow, answered, refused, make_statement(125, 126, 200)]) == []
    assert find_violations([make_statement(0, 1, None), make_statement(2, 3, 200)]) == []
