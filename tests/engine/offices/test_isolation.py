"""One office's trouble never touches another's."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from oddaemon.core.model import Balance, Condition
from oddaemon.simulator.api.messages import BrokenConnection, ConnectionFailure
from oddaemon.simulator.faults.faults import (
    EConnectorDown,
    Fault,
    KeyDisabled,
    Latency,
    OtherBody,
    ScheduledFault,
    TooManyRequests,
)
from oddaemon.simulator.faults.row_corruption import get_alteration
from oddaemon.simulator.model.spec import PracticeSpec
from tests.engine.night import SMALL, night, schedule_fault

HEALTHY = tuple(replace(SMALL, office_id=name, seed=seed) for seed, name in enumerate(("ash", "birch", "cedar"), 2))
AT_ONCE = timedelta(seconds=1)
Nights = dict[str, tuple[list[datetime], list[Balance]]]
BASELINE: list[Nights] = []
"""How the healthy fare without a sick one among them; lived through once."""


async def _run_healthy_nights(
    directory: Path, failing: Sequence[PracticeSpec] = (), faults: Sequence[ScheduledFault] = ()
) -> Nights:
    """What is published of the three healthy offices, and when."""
    async with night(directory, [*HEALTHY, *failing], faults=faults) as world:
        for spec in HEALTHY:
            await world.wait_for_snapshots(2, spec.office_id)
            assert world.assert_explained(Condition.FRESH, None, "2026-03-03", office_id=spec.office_id)
        return {
            spec.office_id: (
                [row.published_at for row in await world.read_history(spec.office_id)],
                await world.read_balances(spec.office_id),
            )
            for spec in HEALTHY
        }


@pytest.mark.parametrize(
    "fault",
    [
        EConnectorDown(),
        KeyDisabled(),
        Latency(59),
        BrokenConnection(ConnectionFailure.STALL),
        TooManyRequests(None),
        OtherBody("[" * 100_000),
        get_alteration("negative_numbers"),
    ],
    ids=lambda fault: str(fault)[:30],
)
async def test_a_sick_office_costs_its_three_healthy_neighbours_nothing(tmp_path: Path, fault: Fault) -> None:
    if not BASELINE:
        BASELINE.append(await _run_healthy_nights(tmp_path / "alone"))
    beside = await _run_healthy_nights(tmp_path / "beside", [SMALL], [schedule_fault(fault)])
    for office_id, (instants, balances) in BASELINE[0].items():
        instants_beside, balances_beside = beside[office_id]
        assert all(abs(one - other) < AT_ONCE for one, other in zip(instants, instants_beside, strict=True))
        assert balances == balances_beside
