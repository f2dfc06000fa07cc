"""A night in which an office's side refuses for reasons that nobody knows: asked rarely, told in its own words."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from oddaemon.core.model import Condition, Owner
from oddaemon.simulator.api.messages import Endpoint
from oddaemon.simulator.faults.faults import OtherBody
from tests.engine.night import SMALL, after, night, planted
from tests.engine.world import World

C = Condition
BEGINS, ENDS = after(minutes=10), after(hours=7)
PAGE = "<html><head><title>403 Forbidden</title></head><body><h1>403 Forbidden</h1></body></html>"
QUERIES = frozenset({Endpoint.SHORT_QUERY})
FIRST_HOUR_MAX = 24
LATER_HOUR_MAX = 16
"""A blocked office is surveyed in each half hour; a survey asks for six preferences, and a refused one for one."""

EVERYTHING = [
    (OtherBody('"Error 17."', status=400), (C.UNREACHABLE, Owner.OFFICE), "unknown_400", "Error 17."),
    (OtherBody('{"message":"Ein Fehler."}', status=400), (C.UNREACHABLE, Owner.OFFICE), "unknown_400", "Ein Fehler."),
    (OtherBody("", status=400), (C.UNREACHABLE, Owner.OFFICE), "unknown_400", "HTTP 400"),
    (OtherBody('"No."', status=401), (C.BLOCKED, Owner.OFFICE), "key_rejected", "No."),
    (OtherBody("", status=403), (C.BLOCKED, Owner.OFFICE), "key_rejected", "HTTP 403"),
    (OtherBody(PAGE, "text/html", 403), (C.UNREACHABLE, Owner.VENDOR), "gateway_refused", "403 Forbidden"),
]

ONLY_QUERIES = [
    (OtherBody('"Error 17."', status=400), C.UNREACHABLE, Owner.OFFICE, "Error 17."),
    (OtherBody('"No."', status=401), C.BLOCKED, Owner.US, "lacks a permission"),
    (OtherBody('"Query cannot contain \\"FROM\\"."', status=401), C.BLOCKED, Owner.VENDOR, "Query cannot contain"),
    (OtherBody("", status=403), C.BLOCKED, Owner.US, "HTTP 403"),
    (OtherBody(PAGE, "text/html", 403), C.UNREACHABLE, Owner.VENDOR, "403 Forbidden"),
]


def asked_an_hour(world: World) -> list[int]:
    """Requests in each hour of the trouble."""
    hours = [BEGINS + timedelta(hours=hour) for hour in range(6)]
    return [sum(begin <= each.arrived < begin + timedelta(hours=1) for each in world.exchanges()) for begin in hours]


def first_refused(world: World) -> datetime:
    return next(each.arrived for each in world.exchanges() if each.status in (400, 401, 403))


@pytest.mark.parametrize(("fault", "stands", "kind", "words"), EVERYTHING, ids=lambda value: str(value)[:40])
async def test_an_office_that_refuses_everything_is_asked_rarely_and_told_in_its_own_words(
    tmp_path: Path, fault: OtherBody, stands: tuple[Condition, Owner], kind: str, words: str
) -> None:
    condition, owner = stands
    async with night(tmp_path, [SMALL], faults=[planted(fault, BEGINS, ENDS)]) as world:
        await world.until_is(condition)
        await world.until_time(ENDS - timedelta(minutes=30))
        assert world.explains(condition, owner, words)
        assert set(world.failures()) == {kind}
        assert (words in world.standing().letter) is (not words.startswith("HTTP"))
        first, *later = asked_an_hour(world)
        assert first <= FIRST_HOUR_MAX
        assert max(later) <= LATER_HOUR_MAX
        assert len(world.published()) <= 1
        await world.until_published(2, within=timedelta(minutes=70))
        assert await world.is_true()


@pytest.mark.parametrize(("fault", "condition", "owner", "words"), ONLY_QUERIES, ids=lambda value: str(value)[:40])
async def test_an_office_that_refuses_queries_alone_is_not_blamed_for_its_key(
    tmp_path: Path, fault: OtherBody, condition: Condition, owner: Owner, words: str
) -> None:
    async with night(tmp_path, [SMALL], faults=[planted(fault, BEGINS, ENDS, endpoints=QUERIES)]) as world:
        await world.until_is(condition)
        since = world.clock.now()
        if condition is C.BLOCKED:
            behind = [each for each in world.exchanges() if first_refused(world) < each.arrived <= since]
            assert Endpoint.PREFERENCES in {each.kind for each in behind if each.status == 200}
        await world.until_time(ENDS - timedelta(minutes=30))
        assert world.explains(condition, owner, words)
        assert "key_rejected" not in world.failures()
        refused = [each for each in world.exchanges(since=since) if each.kind is Endpoint.SHORT_QUERY]
        assert len(refused) <= 12 * (ENDS - since) / timedelta(hours=1)
        await world.until_published(2, within=timedelta(minutes=70))
        assert await world.is_true()
