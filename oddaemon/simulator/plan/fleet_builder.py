"""Makes a realistic fleet of practices from one seed, and the plan of a world with them: a key for each, no faults."""

from collections.abc import Sequence
from dataclasses import replace
from math import exp
from random import Random
from typing import Literal

from oddaemon.simulator.api.keys import ApiKey
from oddaemon.simulator.model.spec import PracticeSpec
from oddaemon.simulator.plan.plan_file import OfficePlan, SimulatorPlan, derive_customer_key

ZONES = (
    *("America/Los_Angeles", "America/Denver", "America/Phoenix", "America/Chicago", "America/New_York"),
    *("Pacific/Honolulu", "America/Anchorage"),
)
ZONE_WEIGHTS = (24, 8, 6, 24, 32, 3, 3)
TIMES_DUE = ("00:30:00", "01:00:00", "02:00:00", "02:30:00", "03:00:00", "04:00:00", "05:30:00")
TIME_DUE_WEIGHTS = (5, 15, 45, 5, 15, 10, 5)  # an upgrade to 22.2 set every blank to 02:00
VERSIONS = ("25.4.48.0", "25.3.30.0", "25.1.22.0", "24.3.41.0", "23.2.19.0", "22.1.9.0", "21.3.27.0")
VERSION_WEIGHTS = (40, 20, 12, 12, 8, 4, 4)
FIRST_VERSION_OF_TWO_DECIMALS = 22

GUARANTORS_MEDIAN = 900
GUARANTORS_SPREAD = 0.9  # of the logarithm: one office in twenty is four times the median

SERVICE_DOWN_SECONDS = 3600.0
"""A service that starts later than this does not run aging that night; `pace` does not change that."""

SHARE_WITH_CLINICS = 0.15
SHARE_WITH_RANDOM_PAT_NUMS = 0.06
SHARE_WITH_SPARSE_PAT_NUMS = 0.2
SHARE_WITH_WRONG_CLOCK = 0.1
SHARE_WITHOUT_AUTOMATION = 0.03
SHARE_MONTHLY = 0.02
SHARE_CRASHING = 0.02
SHARE_WITH_SERVICE_DOWN = 0.03
SHARE_REFUSING_THE_STATEMENT = 0.04
SHARE_WITH_WIDE_GROUP_CONCAT = 0.05


def build_fleet(
    seed: int,
    count: int,
    *,
    guarantors_max: int = 8000,
    with_failures: bool = True,
    zones: Sequence[str] = ZONES,
) -> list[PracticeSpec]:
    """Make practices of realistic variety, with the office ids `office-0001`, …; the same arguments give the same ones.

    Args:
        seed: The seed of the world.
        count: The number of practices.
        guarantors_max: The largest practice; sizes are log-normal around 900, and one in a hundred is empty.
        with_failures: False omits offices whose aging does not complete by itself (automation off, monthly,
            crashing, service down).
        zones: IANA zones to choose from.
    """
    return [
        _make_practice(
            f"office-{number:04}", Random(f"{seed}:{number}"), guarantors_max, zones, with_failures=with_failures
        )
        for number in range(1, count + 1)
    ]


def make_fleet_plan(
    offices: int,
    seed: int,
    *,
    due_in_seconds: float | None = None,
    due_over_seconds: float = 0.0,
    pace: float = 1.0,
    with_failures: bool = True,
    has_aged_last_night: bool = False,
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
        has_aged_last_night: whether the aging of the last due time is complete; else the one before it.
    """
    specs = [_apply_pace(spec, pace) for spec in build_fleet(seed, offices, with_failures=with_failures)]
    if has_aged_last_night:
        specs = [replace(spec, last_aging="last_night") for spec in specs]
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


def _make_practice(
    office_id: str, rng: Random, guarantors_max: int, zones: Sequence[str], *, with_failures: bool
) -> PracticeSpec:
    guarantors = min(guarantors_max, int(GUARANTORS_MEDIAN * exp(rng.gauss(0, GUARANTORS_SPREAD))))
    if rng.random() < 0.01:  # noqa: PLR2004 - an office that has just opened
        guarantors = 0
    version = rng.choices(VERSIONS, VERSION_WEIGHTS)[0]
    healthy = PracticeSpec(
        office_id=office_id,
        seed=rng.getrandbits(32),
        zone=_draw_zone(rng, zones),
        clock_skew_seconds=rng.choice((-1, 1)) * rng.uniform(2, 400) if rng.random() < SHARE_WITH_WRONG_CLOCK else 0.0,
        guarantors=guarantors,
        settled=int(guarantors * rng.uniform(0.2, 1.5)),
        pat_nums=_draw_pat_nums(rng),
        clinics=rng.randint(2, 6) if rng.random() < SHARE_WITH_CLINICS else 0,
        program_version=version,
        service_time_due=rng.choices(TIMES_DUE, TIME_DUE_WEIGHTS)[0],
        run_seconds=round(5 + guarantors / rng.uniform(15, 60), 1),
        start_delay_seconds=round(rng.uniform(0, 60), 1),
        three_decimals=int(version.split(".")[0]) < FIRST_VERSION_OF_TWO_DECIMALS,
        activity_per_hour=round(guarantors * rng.uniform(0, 0.004), 2),
        group_concat_max_len=1_048_576 if rng.random() < SHARE_WITH_WIDE_GROUP_CONCAT else 1024,
        refuses=("GROUP_CONCAT",) if rng.random() < SHARE_REFUSING_THE_STATEMENT else (),
    )
    failing = _with_failure(healthy, rng)
    return failing if with_failures else healthy


def _with_failure(spec: PracticeSpec, rng: Random) -> PracticeSpec:
    draw = rng.random()
    for share, failing in (
        (SHARE_WITHOUT_AUTOMATION, replace(spec, service_time_due=None)),
        (SHARE_MONTHLY, replace(spec, monthly=True, program_version="21.3.27.0")),
        (SHARE_CRASHING, replace(spec, crashes="always")),
        (SHARE_WITH_SERVICE_DOWN, replace(spec, start_delay_seconds=4000.0 + rng.random() * 20000)),
    ):
        if draw < share:
            return failing
        draw -= share
    return spec


def _draw_zone(rng: Random, zones: Sequence[str]) -> str:
    weights = dict(zip(ZONES, ZONE_WEIGHTS, strict=True))
    return rng.choices(zones, [weights.get(zone, 1) for zone in zones])[0]


def _draw_pat_nums(rng: Random) -> Literal["dense", "sparse", "random"]:
    draw = rng.random()
    if draw < SHARE_WITH_RANDOM_PAT_NUMS:
        return "random"
    return "sparse" if draw < SHARE_WITH_RANDOM_PAT_NUMS + SHARE_WITH_SPARSE_PAT_NUMS else "dense"
