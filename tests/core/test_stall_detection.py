from dataclasses import replace

import pytest

from oddaemon.core.stall_detection import (
    OVERSLEPT_SECONDS,
    TURN_SECONDS,
    WRITE_SECONDS,
    StallLimits,
    WorkerActivity,
    find_stall,
)
from tests.golden import GoldenTexts

STALL_LIMITS = StallLimits(response_seconds=85.0, max_in_flight=10, seconds_between_requests=0.5, spacing_seconds=1.0)
NOW = 100_000.0


def seconds_ago(seconds: float) -> float:
    return NOW - seconds


def check_stall(*activities: WorkerActivity, writing_since: float | None = None) -> str | None:
    return find_stall(activities, writing_since, STALL_LIMITS, NOW)


def test_nothing_to_do_is_progress() -> None:
    assert check_stall() is None
    assert (
        check_stall(
            WorkerActivity("smile", seconds_ago(5 * 3600), asleep_until=NOW + 600),
            WorkerActivity("mesa", seconds_ago(0.1)),
        )
        is None
    )


def test_a_sleep_may_end_a_little_late_and_no_more(golden: GoldenTexts) -> None:
    asleep = WorkerActivity("smile", seconds_ago(700), asleep_until=seconds_ago(OVERSLEPT_SECONDS))
    assert check_stall(asleep) is None
    golden.check(check_stall(replace(asleep, asleep_until=seconds_ago(95))))


def test_a_request_ends_within_its_time_outs(golden: GoldenTexts) -> None:
    asking = WorkerActivity("smile", seconds_ago(140), request_since=seconds_ago(140))
    assert check_stall(asking) is None
    golden.check(check_stall(replace(asking, request_since=seconds_ago(150))))


def test_an_office_at_work_moves(golden: GoldenTexts) -> None:
    assert check_stall(WorkerActivity("smile", seconds_ago(TURN_SECONDS))) is None
    golden.check(check_stall(WorkerActivity("smile", seconds_ago(TURN_SECONDS + 20))))


def test_waiting_in_a_long_rate_limiter_queue_is_no_stall() -> None:
    waits = WorkerActivity("smile", seconds_ago(TURN_SECONDS + 900))
    alone, crowd = (
        (waits,),
        (waits, *(WorkerActivity(f"office-{n}", seconds_ago(1), request_since=seconds_ago(1)) for n in range(100))),
    )
    assert check_stall(*alone) is not None
    assert check_stall(*crowd) is None


def test_sleepers_are_no_queue() -> None:
    waits = WorkerActivity("smile", seconds_ago(TURN_SECONDS + 900))
    sleepers = [WorkerActivity(f"office-{n}", seconds_ago(1), asleep_until=NOW + 60) for n in range(100)]
    assert check_stall(waits, *sleepers) is not None


@pytest.mark.parametrize(("seconds", "expected"), [(WRITE_SECONDS, None), (WRITE_SECONDS + 5, "305 s")])
def test_a_write_ends(seconds: float, expected: str | None) -> None:
    found = check_stall(writing_since=seconds_ago(seconds))
    assert found == (expected and f"a write to the database has been running for {expected}")


def test_one_that_hangs_among_many_is_found(golden: GoldenTexts) -> None:
    well = [WorkerActivity(f"office-{n}", seconds_ago(1), asleep_until=NOW + 60) for n in range(50)]
    golden.check(check_stall(*well, WorkerActivity("smile", seconds_ago(9000), asleep_until=seconds_ago(8000)), *well))


def test_a_request_that_another_task_makes_does_not_wake_the_worker() -> None:
    asleep = WorkerActivity("smile", seconds_ago(10), asleep_until=NOW + 600)
    assert asleep.record_request(NOW, has_started=True) == asleep
    asking = WorkerActivity("mesa", seconds_ago(10)).record_request(NOW, has_started=True)
    assert (asking.progressed_at, asking.request_since) == (NOW, NOW)
    answered = asking.record_request(NOW + 1, has_started=False)
    assert (answered.progressed_at, answered.request_since) == (NOW + 1, None)
