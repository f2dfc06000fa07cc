"""When things happen: mostly around an office's nightly run."""

from datetime import datetime, time, timedelta
from random import Random
from zoneinfo import ZoneInfo

from oddaemon.simulator.model.world_clock import find_first_instant
from tests.simulation.scenario.fleet import HOUR, FleetMember, SimulatedFleet

SHARE_AROUND_A_RUN = 0.65


def list_due_moments(fleet: SimulatedFleet, member: FleetMember) -> list[float]:
    """When the office's aging is due, in seconds since the simulation began; all nights of the scenario."""
    spec = member.spec
    if spec.service_time_due is None:
        return []
    zone, due = ZoneInfo(spec.zone), time.fromisoformat(spec.service_time_due)
    first_day = (fleet.base.astimezone(zone) - timedelta(days=1)).date()
    moments = []
    for days in range(fleet.nights + 3):
        instant = find_first_instant(datetime.combine(first_day + timedelta(days=days), due), zone)
        seconds = (instant - fleet.base).total_seconds() - spec.clock_skew_seconds
        if 0 < seconds < fleet.seconds:
            moments.append(seconds)
    return moments


def draw_moment(rng: Random, fleet: SimulatedFleet, office_id: str) -> float:
    """Draw a moment of the scenario, in seconds since the simulation began."""
    member = fleet.get_member(office_id)
    due = list_due_moments(fleet, member)
    if due and rng.random() < SHARE_AROUND_A_RUN:
        run_ends = rng.choice(due) + member.spec.start_delay_seconds + member.spec.run_seconds
        near = rng.choice((run_ends, run_ends, run_ends - member.spec.run_seconds))
        return max(1.0, near + rng.uniform(-900.0, 240.0))
    return rng.uniform(1.0, fleet.seconds * 0.9)


def draw_duration(rng: Random) -> float:
    """Draw how long an incident lasts, in seconds: moments, hours, or most of a day."""
    longest = rng.choices((60.0, 600.0, 3 * HOUR, 16 * HOUR), (20, 30, 35, 15))[0]
    return rng.uniform(longest / 10, longest)
