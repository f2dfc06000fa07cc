"""What holds over all offices together, and for those that are near."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from oddaemon.core.model import Condition, Reader
from oddaemon.simulator.faults.row_corruption import get_alteration
from oddaemon.simulator.headquarters.options import HeadquartersOptions
from oddaemon.simulator.model.spec import PracticeSpec
from tests.engine.night import DUE, MAX_IN_FLIGHT, SMALL, after, night, office_settings, planted


async def test_sixty_offices_due_at_once_stay_under_both_caps(tmp_path: Path) -> None:
    specs = [PracticeSpec(f"office-{number}", seed=number, guarantors=10, settled=2) for number in range(60)]
    async with night(tmp_path, specs, options=HeadquartersOptions(base_seconds=0.7), running=False) as world:
        await world.until_time(DUE + timedelta(minutes=3))
        peak = 0

        def look(_: object) -> None:
            nonlocal peak
            peak = max(peak, world.headquarters.in_flight)

        world.on_line = look
        await world.start()
        for spec in specs:
            await world.until_published(1, spec.office_id)
            assert world.explains(Condition.FRESH, None, "2026-03-03", office_id=spec.office_id)
        assert peak == MAX_IN_FLIGHT
        assert world.violations() == []
        assert world.clock.now() < DUE + timedelta(minutes=4)


async def test_a_near_office_is_read_in_pages_of_a_thousand_without_spacing(tmp_path: Path) -> None:
    spec = PracticeSpec("smile", seed=1, guarantors=1500, settled=10)
    async with night(tmp_path, [spec], [office_settings(remote=False, reader=Reader.PAGES)]) as world:
        await world.until_published(1)
        assert world.published()[0]["requests"] == 4
        assert world.clock.now() - after() < timedelta(seconds=2)
        assert await world.is_true()


async def test_a_near_office_takes_no_place_under_the_caps(tmp_path: Path) -> None:
    far = [replace(SMALL, office_id=f"far-{number}", seed=number) for number in range(MAX_IN_FLIGHT)]
    near = replace(SMALL, office_id="near", seed=99)
    offices = [*(office_settings(spec.office_id) for spec in far), office_settings("near", remote=False)]
    async with night(tmp_path, [*far, near], offices, options=HeadquartersOptions(base_seconds=20)) as world:
        await anyio.sleep(12)
        assert world.headquarters.in_flight == MAX_IN_FLIGHT + 1
        await world.until_published(1, "near")
        assert world.clock.now() - after() < timedelta(seconds=7 * 21)


@pytest.mark.parametrize("damage", ["negative_numbers", "halve_longest_lane", "texts", "one_cent_more", "nulls"])
async def test_no_pat_num_and_no_amount_is_ever_told(tmp_path: Path, damage: str) -> None:
    """PatNums of nineteen digits cannot be there by chance, nor can amounts of six."""
    specs = [replace(SMALL, pat_nums="random"), replace(SMALL, office_id="dense", seed=4)]
    offices = [office_settings(reader=Reader.PAGES), office_settings("dense")]
    broken = planted(get_alteration(damage), after(minutes=50), after(minutes=70), office_ids=frozenset())
    async with night(tmp_path, specs, offices, faults=[broken]) as world:
        for office_id in ("smile", "dense"):
            await world.until_published(2, office_id)
        balances = [*(await world.balances("smile")), *(await world.balances("dense"))]
        told = world.metrics() + "\n".join(str(sorted(line.items())) for line in world.lines)
        secrets = {str(balance.pat_num) for balance in balances if balance.pat_num > 10**9}
        secrets |= {str(cents) for balance in balances for cents in balance[2:] if abs(cents) >= 10**5}
        assert len(secrets) > 40
        assert [secret for secret in secrets if secret in told] == []
