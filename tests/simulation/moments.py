"""When things happen: rather around an office's nightly run than anywhere."""

from datetime import datetime, time, timedelta
from random import Random
from zoneinfo import ZoneInfo

from oddaemon.simulator.model.office_clock import find_first_instant
from tests.simulation.cast import HOUR, Cast, Member

SHARE_AROUND_A_RUN = 0.65


def due_moments(cast: Cast, member: Member) -> list[float]:
    """When the office's aging is due, in seconds since the world began; all nights of the story."""
    spec = member.spec
    if spec.service_time_due is None:
        return []
    zone, due = ZoneInfo(spec.zone), time.fromisoformat(spec.service_time_due)
    first_day = (cast.base.astimezone(zone) - timedelta(days=1)).date()
    moments = []
    for days in range(cast.nights + 3):
        instant = find_first_instant(datetime.combine(first_day + timedelta(days=days), due), zone)
        seconds = (instant - cast.base).total_seconds() - spec.clock_skew_seconds
        if 0 < seconds < cast.seconds:
            moments.append(seconds)
    return moments


def moment(dice: Random, cast: Cast, office_id: str) -> float:
    """Some moment of the story, in seconds since the world began."""
    member = cast.member(office_id)
    due = due_moments(cast, member)
    if due and dice.random() < SHARE_AROUND_A_RUN:
        run_ends = dice.choice(due) + member.spec.start_delay_seconds + member.spec.run_seconds
        near = dice.choice((run_ends, run_ends, run_ends - member.spec.run_seconds))
        return max(1.0, near + dice.uniform(-900.0, 240.0))
    return dice.uniform(1.0, cast.seconds * 0.9)


def duration(dice: Random) -> float:
    """How long a trouble stands, in seconds: moments, hours, or most of a day."""
    longest = dice.choices((60.0, 600.0, 3 * HOUR, 16 * HOUR), (20, 30, 35, 15))[0]
    return dice.uniform(longest / 10, longest)
