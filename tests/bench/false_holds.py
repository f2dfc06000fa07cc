"""How often an honest office is doubted: a year of nights of offices of every size, judged as the daemon does.

No daemon and no requests, only the offices themselves on virtual time: what is counted is the guard's own error.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import anyio

from oddaemon.core.model import ControlQueryResult, OfficeSpec, Plausibility, SnapshotSummary
from oddaemon.core.snapshot.plausibility import find_implausibility
from oddaemon.opendental import decode, sql
from oddaemon.opendental.decode_values import Row
from oddaemon.simulator.model.world_clock import WorldClock
from oddaemon.simulator.plan.fleet_builder import build_fleet
from oddaemon.simulator.practice.practice import Practice
from oddaemon.simulator.virtual_time import make_virtual_loop
from tests.bench.harness.figure import Measurement, Step, make_figure

NIGHTS = 365
SIZES = (22, 30, 45, 70, 110, 180)
"""Guarantors of each office. The small ones are those whose totals move most."""
NOON = datetime(2025, 6, 1, 20, 0, tzinfo=UTC)
"""Afternoon in all of the fleet's zones: every night's aging is over."""


def measure() -> Measurement:
    """Counted in a world that is the same in every run."""
    yield Step(f"{NIGHTS} nights of {len(SIZES)} offices")
    holds, nights = anyio.run(_count_holds, backend_options={"loop_factory": make_virtual_loop})
    per_year = len(holds) / nights * 365
    yield make_figure(
        f"false holds of an office in a year ({nights:,} nights)", per_year, "holds", goal=1, is_exact=True
    )


async def _count_holds() -> tuple[list[str], int]:
    """Every doubt about an honest night, and how many nights were judged."""
    clock = WorldClock(NOON)
    fleet = build_fleet(3, len(SIZES), with_failures=False)
    practices = [
        Practice(replace(spec, guarantors=size, settled=size // 2, activity_per_hour=size * 0.003), clock)
        for spec, size in zip(fleet, SIZES, strict=True)
    ]
    last: dict[str, SnapshotSummary] = {}
    holds: list[str] = []
    judged = 0
    async with anyio.create_task_group() as tasks:
        for practice in practices:
            tasks.start_soon(practice.run)
        for _ in range(NIGHTS + 1):
            for practice in practices:
                office_id = practice.spec.office_id
                previous = last.get(office_id)
                control = _query_control(practice, previous)
                totals = control.totals
                aged = totals.bal_0_30 + totals.bal_31_60 + totals.bal_61_90 + totals.bal_over_90
                aging_date = datetime.fromisoformat(control.date_last_aging).date()
                new = SnapshotSummary(
                    aging_date, control.office_now, totals.guarantors, aged, totals.bal_total, totals.checksum
                )
                if previous is not None and previous.aging_date != aging_date:
                    judged += 1
                    why = find_implausibility(previous, new, control.touched, Plausibility())
                    holds += [f"{office_id}: {why}"] if why else []
                last[office_id] = new
            await anyio.sleep(timedelta(days=1).total_seconds())
        tasks.cancel_scope.cancel()
    return holds, judged


def _query_control(practice: Practice, previous: SnapshotSummary | None) -> ControlQueryResult:
    office = OfficeSpec(practice.spec.office_id, practice.spec.office_id)
    since = previous.office_now if previous else None
    rows = practice.run_short_query(sql.select_control(office, since))
    return decode.parse_control([Row(each) for each in rows])
