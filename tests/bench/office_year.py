"""How often an honest office is doubted: a year of nights of offices of every size, judged as the daemon does.

No daemon and no requests, only the offices themselves on virtual time: what is counted is the guard's own error.
"""

from datetime import UTC, datetime, timedelta

import anyio

from oddaemon.core.model import Control, Office, Outline, Plausibility
from oddaemon.core.plausibility import doubt
from oddaemon.opendental import sql, wire
from oddaemon.simulator.clock import WorldClock
from oddaemon.simulator.practice import Practice
from oddaemon.simulator.virtual_time import virtual_loop_factory
from oddaemon.simulator.world import build_fleet

OFFICES, NIGHTS = 8, 365
GUARANTORS_MAX = 200
NOON = datetime(2025, 6, 1, 20, 0, tzinfo=UTC)
"""Afternoon in all of the fleet's zones: every night's aging is over."""


def measure() -> list[tuple[str, str, str]]:
    """Rows of the table: what, figure, goal."""
    holds, nights = anyio.run(_holds, backend_options={"loop_factory": virtual_loop_factory})
    per_year = len(holds) / nights * 365
    return [(f"false holds per office-year ({nights:,} nights)", f"{per_year:.2f}", "< 1")]


async def _holds() -> tuple[list[str], int]:
    """Every doubt about an honest night, and how many nights were judged."""
    clock = WorldClock(NOON)
    practices = [
        Practice(spec, clock) for spec in build_fleet(3, OFFICES, guarantors_max=GUARANTORS_MAX, troubles=False)
    ]
    last: dict[str, Outline] = {}
    holds: list[str] = []
    judged = 0
    async with anyio.create_task_group() as tasks:
        for practice in practices:
            tasks.start_soon(practice.live)
        for _ in range(NIGHTS + 1):
            for practice in practices:
                office_id = practice.spec.office_id
                former = last.get(office_id)
                control = _control(practice, former)
                totals = control.totals
                aged = totals.bal_0_30 + totals.bal_31_60 + totals.bal_61_90 + totals.bal_over_90
                aging_date = datetime.fromisoformat(control.date_last_aging).date()
                new = Outline(
                    aging_date, control.office_now, totals.guarantors, aged, totals.bal_total, totals.checksum
                )
                if former is not None and former.aging_date != aging_date:
                    judged += 1
                    why = doubt(former, new, control.touched, Plausibility())
                    holds += [f"{office_id}: {why}"] if why else []
                last[office_id] = new
            await anyio.sleep(timedelta(days=1).total_seconds())
        tasks.cancel_scope.cancel()
    return holds, judged


def _control(practice: Practice, former: Outline | None) -> Control:
    office = Office(practice.spec.office_id, practice.spec.office_id)
    since = former.office_now if former else None
    return wire.control(practice.short_query(sql.control(office, since)))  # type: ignore[arg-type]  # rows of cells
