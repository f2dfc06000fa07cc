"""Summarizes the fleet in one line, for `systemctl status`."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, tzinfo

from oddaemon.core.model import Condition, Status

_CONDITION_TEXTS = {Condition.WAITING: "waiting for aging"}


def format_fleet_summary(statuses: Iterable[Status], now: datetime, zone: tzinfo) -> str:
    """Format how many offices are in which condition, and when something happens next.

    Args:
        statuses: The status of each office.
        now: Aware.
        zone: The zone of the reader's clock.

    Returns:
        "214 of 230 fresh, 9 waiting for aging, 7 late; next 05:10"
    """
    current = [status.evaluate_at(now) for status in statuses]
    if not current:
        return "no office is configured"
    counts = Counter(standing.condition for standing in current)
    others = [
        f", {counts[condition]} {_CONDITION_TEXTS.get(condition, condition.value)}"
        for condition in Condition
        if counts[condition] and condition is not Condition.FRESH
    ]
    next_at = min(
        (standing.next_action_at for standing in current if standing.next_action_at is not None), default=None
    )
    return f"{counts[Condition.FRESH]} of {len(current)} fresh{''.join(others)}{_format_next(next_at, now, zone)}"


def _format_next(at: datetime | None, now: datetime, zone: tzinfo) -> str:
    if at is None:
        return ""
    if at <= now:
        return "; next now"
    local, local_now = at.astimezone(zone), now.astimezone(zone)
    return f"; next {local:%H:%M}" if local.date() == local_now.date() else f"; next {local:%A %H:%M}"
