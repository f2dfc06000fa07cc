"""The whole fleet in one sentence, as `systemctl status` shows it."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, tzinfo

from oddaemon.core.model import Condition, Standing

_WORDS = {Condition.WAITING: "waiting for aging"}


def bulletin(standings: Iterable[Standing], now: datetime, zone: tzinfo) -> str:
    """How many offices stand how, and when something happens next.

    Args:
        standings: One of each office.
        now: Aware.
        zone: Whose clock the reader has.

    Returns:
        "214 of 230 fresh, 9 waiting for aging, 7 late; next 05:10"
    """
    told = [standing.at(now) for standing in standings]
    if not told:
        return "no office to watch"
    counted = Counter(standing.condition for standing in told)
    others = [
        f", {counted[condition]} {_WORDS.get(condition, condition.value)}"
        for condition in Condition
        if counted[condition] and condition is not Condition.FRESH
    ]
    coming = min((standing.next_action_at for standing in told if standing.next_action_at is not None), default=None)
    return f"{counted[Condition.FRESH]} of {len(told)} fresh{''.join(others)}{_next(coming, now, zone)}"


def _next(at: datetime | None, now: datetime, zone: tzinfo) -> str:
    if at is None:
        return ""
    if at <= now:
        return "; next now"
    there, here = at.astimezone(zone), now.astimezone(zone)
    return f"; next {there:%H:%M}" if there.date() == here.date() else f"; next {there:%A %H:%M}"
