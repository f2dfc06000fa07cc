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

PATIENCE = StallLimits(response_seconds=85.0, max_in_flight=10, seconds_between_requests=0.5, spacing_seconds=1.0)
NOW = 100_000.0


def ago(seconds: float) -> float:
    return NOW - seconds


def hangs(*vitals: WorkerActivity, writing_since: float | None = None) -> str | None:
    return find_stall(vitals, writing_since, PATIENCE, NOW)


def test_nothing_to_do_is_progress() -> None:
    assert hangs() is None
    assert (
        hangs(WorkerActivity("smile", ago(5 * 3600), asleep_until=NOW + 600), WorkerActivity("mesa", ago(0.1))) is None
    )


def test_a_sleep_may_end_a_little_late_and_no_more() -> None:
    asleep = WorkerActivity("smile", ago(700), asleep_until=ago(OVERSLEPT_SECONDS))
    assert hangs(asleep) is None
    assert hangs(replace(asleep, asleep_until=ago(95))) == "office smile should have woken 95 s ago"


def test_a_request_ends_within_its_time_outs() -> None:
    asking = WorkerActivity("smile", ago(140), request_since=ago(140))
    assert hangs(asking) is None
    assert hangs(replace(asking, request_since=ago(150))) == (
        "office smile should have had or given up its answer after 150 s"
    )


def test_an_office_at_work_moves() -> None:
    assert hangs(WorkerActivity("smile", ago(TURN_SECONDS))) is None
    assert hangs(WorkerActivity("smile", ago(TURN_SECONDS + 20))) == (
        "office smile has not moved for 320 s, with no request under way"
    )


def test_whoever_stands_in_a_long_queue_at_the_gate_does_not_hang() -> None:
    waits = WorkerActivity("smile", ago(TURN_SECONDS + 900))
    alone, crowd = (waits,), (waits, *(WorkerActivity(f"office-{n}", ago(1), request_since=ago(1)) for n in range(100)))
    assert hangs(*alone) is not None
    assert hangs(*crowd) is None


def test_sleepers_are_no_queue() -> None:
    waits = WorkerActivity("smile", ago(TURN_SECONDS + 900))
    sleepers = [WorkerActivity(f"office-{n}", ago(1), asleep_until=NOW + 60) for n in range(100)]
    assert hangs(waits, *sleepers) is not None


@pytest.mark.parametrize(("seconds", "told"), [(WRITE_SECONDS, None), (WRITE_SECONDS + 5, "305 s")])
def test_a_write_ends(seconds: float, told: str | None) -> None:
    found = hangs(writing_since=ago(seconds))
    assert found == (told and f"a write to the database has not ended for {told}")


def test_one_that_hangs_among_many_is_found() -> None:
    well = [WorkerActivity(f"office-{n}", ago(1), asleep_until=NOW + 60) for n in range(50)]
    assert hangs(*well, WorkerActivity("smile", ago(9000), asleep_until=ago(8000)), *well) == (
        "office smile should have woken 8000 s ago"
    )
