"""A pull has an end, whatever the office sends: an office that brings one row a request is not read for ever."""

from datetime import timedelta
from pathlib import Path

import pytest

from oddaemon.core.model import Reader
from oddaemon.engine.pull import checkpoint
from oddaemon.simulator.api.messages import Endpoint
from oddaemon.simulator.faults.faults import Altered, Latency, ScheduledFault
from oddaemon.simulator.model.spec import PracticeSpec
from tests.engine.night import make_office_settings, night, schedule_fault
from tests.engine.world import World

PAGED = (make_office_settings(reader=Reader.PAGES),)
QUERIES = frozenset({Endpoint.SHORT_QUERY})
ONE_ROW = schedule_fault(Altered("one row a request", lambda rows: rows[:1]), endpoints=QUERIES)


async def get_bound_that_ended_the_pull(world: World) -> str:
    await world.wait_for_event("failure_seen", 1)
    (line,) = world.find_events("failure_seen")
    assert line["kind"] == "incomplete"
    assert world.list_published() == []
    return world.get_status().reason


async def test_a_pull_of_too_much_time_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "PULL_TIME_MAX", timedelta(hours=1))
    spec = PracticeSpec("smile", seed=1, guarantors=100)
    slow: ScheduledFault = schedule_fault(Latency(58.0), endpoints=QUERIES)
    async with night(tmp_path, [spec], PAGED, faults=[ONE_ROW, slow]) as world:
        assert "longer than 1 h" in await get_bound_that_ended_the_pull(world)
        seconds = sum(each.finished_seconds - each.arrived_seconds for each in world.list_requests())
        assert 3600 - 120 < seconds < 3600 + 120


async def test_a_pull_of_too_many_requests_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "PULL_REQUESTS_MAX", 30)
    spec = PracticeSpec("smile", seed=1, guarantors=100)
    async with night(tmp_path, [spec], PAGED, faults=[ONE_ROW]) as world:
        assert "more than 30 requests" in await get_bound_that_ended_the_pull(world)
        assert sum(each.kind is Endpoint.SHORT_QUERY for each in world.list_requests()) in range(28, 33)


def test_a_million_guarantors_fit_into_the_bounds_of_a_pull() -> None:
    requests = -(-1_000_000 // 100) + 3
    assert requests < checkpoint.PULL_REQUESTS_MAX
    assert requests * 1.0 < checkpoint.PULL_TIME_MAX.total_seconds()
