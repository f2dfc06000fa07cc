"""A night in which an office's side refuses for unknown reasons: asked rarely, reported in its own words."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from oddaemon.core.model import Condition, Owner
from oddaemon.simulator.api.messages import Endpoint
from oddaemon.simulator.faults.faults import OtherBody
from tests.engine.night import SMALL, night, schedule_fault, time_after_start
from tests.engine.world import World

C = Condition
BEGINS, ENDS = time_after_start(minutes=10), time_after_start(hours=7)
PAGE = "<html><head><title>403 Forbidden</title></head><body><h1>403 Forbidden</h1></body></html>"
QUERIES = frozenset({Endpoint.SHORT_QUERY})
FIRST_HOUR_MAX = 24
LATER_HOUR_MAX = 16
"""A blocked office is surveyed in each half hour; a survey asks for six preferences, and a refused one for one."""

ALL_REJECTED = [
    (OtherBody('"Error 17."', status=400), (C.UNREACHABLE, Owner.OFFICE), "unknown_400", "Error 17."),
    (OtherBody('{"message":"Ein Fehler."}', status=400), (C.UNREACHABLE, Owner.OFFICE), "unknown_400", "Ein Fehler."),
    (OtherBody("", status=400), (C.UNREACHABLE, Owner.OFFICE), "unknown_400", "HTTP 400"),
    (OtherBody('"No."', status=401), (C.BLOCKED, Owner.OFFICE), "key_rejected", "No."),
    (OtherBody("", status=403), (C.BLOCKED, Owner.OFFICE), "key_rejected", "HTTP 403"),
    (OtherBody(PAGE, "text/html", 403), (C.UNREACHABLE, Owner.VENDOR), "gateway_refused", "403 Forbidden"),
]

QUERIES_REJECTED = [
    (OtherBody('"Error 17."', status=400), C.UNREACHABLE, Owner.OFFICE, "Error 17."),
    (OtherBody('"No."', status=401), C.BLOCKED, Owner.US, "lacks a permission"),
    (OtherBody('"Query cannot contain \\"FROM\\"."', status=401), C.BLOCKED, Owner.VENDOR, "Query cannot contain"),
    (OtherBody("", status=403), C.BLOCKED, Owner.US, "HTTP 403"),
    (OtherBody(PAGE, "text/html", 403), C.UNREACHABLE, Owner.VENDOR, "403 Forbidden"),
]


def count_hourly_requests(world: World) -> list[int]:
    """Requests in each hour of the trouble."""
    hours = [BEGINS + timedelta(hours=hour) for hour in range(6)]
    return [
        sum(begin <= each.arrived < begin + timedelta(hours=1) for each in world.list_requests()) for begin in hours
    ]


def find_first_error(world: World) -> datetime:
    return next(each.arrived for each in world.list_requests() if each.status in (400, 401, 403))


@pytest.mark.parametrize(("fault", "is_kept", "kind", "text"), ALL_REJECTED, ids=lambda value: str(value)[:40])
async def test_an_office_that_rejects_everything_is_asked_rarely_and_quoted(
    tmp_path: Path, fault: OtherBody, is_kept: tuple[Condition, Owner], kind: str, text: str
) -> None:
    condition, owner = is_kept
    async with night(tmp_path, [SMALL], faults=[schedule_fault(fault, BEGINS, ENDS)]) as world:
        await world.wait_for_condition(condition)
        await world.sleep_until(ENDS - timedelta(minutes=30))
        assert world.assert_explained(condition, owner, text)
        assert set(world.list_failure_kinds()) == {kind}
        assert (text in world.get_status().letter) is (not text.startswith("HTTP"))
        first, *later = count_hourly_requests(world)
        assert first <= FIRST_HOUR_MAX
        assert max(later) <= LATER_HOUR_MAX
        assert len(world.list_published()) <= 1
        await world.wait_for_snapshots(2, within=timedelta(minutes=70))
        assert await world.is_true()


@pytest.mark.parametrize(("fault", "condition", "owner", "text"), QUERIES_REJECTED, ids=lambda value: str(value)[:40])
async def test_an_office_that_refuses_queries_alone_is_not_blamed_for_its_key(
    tmp_path: Path, fault: OtherBody, condition: Condition, owner: Owner, text: str
) -> None:
    async with night(tmp_path, [SMALL], faults=[schedule_fault(fault, BEGINS, ENDS, endpoints=QUERIES)]) as world:
        await world.wait_for_condition(condition)
        since = world.clock.now()
        if condition is C.BLOCKED:
            behind = [each for each in world.list_requests() if find_first_error(world) < each.arrived <= since]
            assert Endpoint.PREFERENCES in {each.kind for each in behind if each.status == 200}
        await world.sleep_until(ENDS - timedelta(minutes=30))
        assert world.assert_explained(condition, owner, text)
        assert "key_rejected" not in world.list_failure_kinds()
        refused = [each for each in world.list_requests(since=since) if each.kind is Endpoint.SHORT_QUERY]
        assert len(refused) <= 12 * (ENDS - since) / timedelta(hours=1)
        await world.wait_for_snapshots(2, within=timedelta(minutes=70))
        assert await world.is_true()
