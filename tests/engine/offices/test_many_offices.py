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
from tests.engine.night import DUE, MAX_IN_FLIGHT, SMALL, make_office_settings, night, schedule_fault, time_after_start


async def test_sixty_offices_due_at_once_stay_under_both_caps(tmp_path: Path) -> None:
    specs = [PracticeSpec(f"office-{number}", seed=number, guarantors=10, settled=2) for number in range(60)]
    async with night(tmp_path, specs, options=HeadquartersOptions(base_seconds=0.7), running=False) as world:
        await world.sleep_until(DUE + timedelta(minutes=3))
        peak = 0

        def record_peak(_: object) -> None:
            nonlocal peak
            peak = max(peak, world.headquarters.in_flight)

        world.on_line = record_peak
        await world.start()
        for spec in specs:
            await world.wait_for_snapshots(1, spec.office_id)
            assert world.assert_explained(Condition.FRESH, None, "2026-03-03", office_id=spec.office_id)
        assert peak == MAX_IN_FLIGHT
        assert world.find_violations() == []
        assert world.clock.now() < DUE + timedelta(minutes=4)


async def test_a_near_office_is_read_in_pages_of_a_thousand_without_spacing(tmp_path: Path) -> None:
    spec = PracticeSpec("smile", seed=1, guarantors=1500, settled=10)
    async with night(tmp_path, [spec], [make_office_settings(remote=False, reader=Reader.PAGES)]) as world:
        await world.wait_for_snapshots(1)
        assert world.list_published()[0]["requests"] == 4
        assert world.clock.now() - time_after_start() < timedelta(seconds=2)
        assert await world.is_true()


async def test_a_near_office_takes_no_place_under_the_caps(tmp_path: Path) -> None:
    far = [replace(SMALL, office_id=f"far-{number}", seed=number) for number in range(MAX_IN_FLIGHT)]
    near = replace(SMALL, office_id="near", seed=99)
    offices = [*(make_office_settings(spec.office_id) for spec in far), make_office_settings("near", remote=False)]
    async with night(tmp_path, [*far, near], offices, options=HeadquartersOptions(base_seconds=20)) as world:
        await anyio.sleep(12)
        assert world.headquarters.in_flight == MAX_IN_FLIGHT + 1
        await world.wait_for_snapshots(1, "near")
        assert world.clock.now() - time_after_start() < timedelta(seconds=7 * 21)


@pytest.mark.parametrize("damage", ["negative_numbers", "halve_longest_lane", "texts", "one_cent_more", "nulls"])
async def test_no_pat_num_and_no_amount_is_ever_logged(tmp_path: Path, damage: str) -> None:
    """PatNums of nineteen digits cannot be there by chance, nor can amounts of six."""
    specs = [replace(SMALL, pat_nums="random"), replace(SMALL, office_id="dense", seed=4)]
    offices = [make_office_settings(reader=Reader.PAGES), make_office_settings("dense")]
    broken = schedule_fault(
        get_alteration(damage), time_after_start(minutes=50), time_after_start(minutes=70), office_ids=frozenset()
    )
    async with night(tmp_path, specs, offices, faults=[broken]) as world:
        for office_id in ("smile", "dense"):
            await world.wait_for_snapshots(2, office_id)
        balances = [*(await world.read_balances("smile")), *(await world.read_balances("dense"))]
        output = world.render_metrics() + "\n".join(str(sorted(line.items())) for line in world.lines)
        secrets = {str(balance.pat_num) for balance in balances if balance.pat_num > 10**9}
        secrets |= {str(cents) for balance in balances for cents in balance[2:] if abs(cents) >= 10**5}
        assert len(secrets) > 40
        assert [secret for secret in secrets if secret in output] == []
