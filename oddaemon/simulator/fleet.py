"""A world when no plan was written: a believable fleet, a key for each office, nothing planted."""

from dataclasses import replace

from oddaemon.simulator.keys import ApiKey
from oddaemon.simulator.planfile import OfficePlan, Plan, customer_key_of
from oddaemon.simulator.practice import PracticeSpec
from oddaemon.simulator.world import build_fleet

SERVICE_DOWN_SECONDS = 3600.0
"""A service that starts later than this does not run aging that night, at any pace."""


def fleet_plan(
    offices: int,
    seed: int,
    *,
    due_in_seconds: float | None = None,
    due_over_seconds: float = 0.0,
    pace: float = 1.0,
    troubles: bool = True,
) -> Plan:
    """A plan of that many offices; the same arguments give the same plan.

    Args:
        offices: how many.
        seed: from which everything follows.
        due_in_seconds: when the first aging is due after the start; None leaves each office's time of night. Offices
            without automated aging stay without.
        due_over_seconds: over how long the due times are then spread, evenly.
        pace: the share of its usual time that an aging run takes, and that its service takes to start it.
        troubles: whether some offices have aging that does not complete by itself.
    """
    specs = [_paced(spec, pace) for spec in build_fleet(seed, offices, troubles=troubles)]
    step_seconds = due_over_seconds / max(1, offices - 1)
    return Plan(
        [
            OfficePlan(
                spec,
                ApiKey(customer_key_of(seed, spec.office_id), spec.office_id),
                name=f"Practice {spec.office_id}",
                due_in_seconds=None
                if due_in_seconds is None or spec.service_time_due is None
                else due_in_seconds + place * step_seconds,
            )
            for place, spec in enumerate(specs)
        ],
        seed=seed,
    )


def _paced(spec: PracticeSpec, pace: float) -> PracticeSpec:
    is_down = spec.start_delay_seconds >= SERVICE_DOWN_SECONDS
    return replace(
        spec,
        run_seconds=spec.run_seconds * pace,
        start_delay_seconds=spec.start_delay_seconds * (1.0 if is_down else pace),
    )
