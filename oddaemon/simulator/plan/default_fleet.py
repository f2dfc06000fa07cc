"""The default world: a realistic fleet, a key for each office, no faults."""

from dataclasses import replace

from oddaemon.simulator.api.keys import ApiKey
from oddaemon.simulator.model.spec import PracticeSpec
from oddaemon.simulator.plan.fleet_builder import build_fleet
from oddaemon.simulator.plan.plan_file import OfficePlan, SimulatorPlan, derive_customer_key

SERVICE_DOWN_SECONDS = 3600.0
"""A service that starts later than this does not run aging that night; `pace` does not change that."""


def make_fleet_plan(
    offices: int,
    seed: int,
    *,
    due_in_seconds: float | None = None,
    due_over_seconds: float = 0.0,
    pace: float = 1.0,
    with_failures: bool = True,
) -> SimulatorPlan:
    """Make a plan with this number of offices; the same arguments give the same plan.

    Args:
        offices: the number of offices.
        seed: the seed of the whole plan.
        due_in_seconds: the time from the start to the first due aging; None keeps the time of day of each office.
            Offices without automated aging keep none.
        due_over_seconds: the period over which these due times are spread evenly.
        pace: the factor for the duration of an aging run and for the delay with which the service starts it.
        with_failures: whether some offices have aging that does not complete by itself.
    """
    specs = [_apply_pace(spec, pace) for spec in build_fleet(seed, offices, with_failures=with_failures)]
    step_seconds = due_over_seconds / max(1, offices - 1)
    return SimulatorPlan(
        [
            OfficePlan(
                spec,
                ApiKey(derive_customer_key(seed, spec.office_id), spec.office_id),
                name=f"Practice {spec.office_id}",
                due_in_seconds=None
                if due_in_seconds is None or spec.service_time_due is None
                else due_in_seconds + index * step_seconds,
            )
            for index, spec in enumerate(specs)
        ],
        seed=seed,
    )


def _apply_pace(spec: PracticeSpec, pace: float) -> PracticeSpec:
    is_down = spec.start_delay_seconds >= SERVICE_DOWN_SECONDS
    return replace(
        spec,
        run_seconds=spec.run_seconds * pace,
        start_delay_seconds=spec.start_delay_seconds * (1.0 if is_down else pace),
    )
