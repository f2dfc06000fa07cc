from datetime import date
from pathlib import Path

from oddaemon.core.model import Condition
from tests.engine.night import night


async def test_an_office_is_fresh_with_the_last_run_and_again_after_the_next(tmp_path: Path) -> None:
    async with night(tmp_path) as world:
        await world.wait_for_condition(Condition.FRESH)
        assert [line["aging_date"] for line in world.list_published()] == ["2026-03-02"]
        assert await world.is_true()
        await world.wait_for_snapshots(2)
        assert world.list_published()[-1]["aging_date"] == "2026-03-03"
        assert world.list_published()[-1]["requests"] == 1
        assert world.get_practice().aging.runs[-1].aging_date == date(2026, 3, 3)
        assert world.assert_explained(Condition.FRESH, None, "2026-03-03")
        assert await world.is_true()


async def test_a_healthy_office_costs_about_a_hundred_small_requests_a_day(tmp_path: Path) -> None:
    async with night(tmp_path) as world:
        await world.wait_for_snapshots(2)
        asked, queried = len(world.list_requests()), len(world.list_statements())
        await world.wait_for_snapshots(3)
        assert len(world.list_requests()) - asked < 130
        assert len(world.list_statements()) - queried == 1
