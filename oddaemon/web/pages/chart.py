"""Geometry of the chart of aging buckets over time: bars in a box of fixed units, which the page stretches.

Nights without a snapshot leave a gap. A negative bucket is stacked downwards, so a credit never hides a debt.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from oddaemon.core.model import ControlTotals
from oddaemon.core.reporting.night_history import Night
from oddaemon.core.reporting.status_document import may_show_sums
from oddaemon.web.pages.formatting import BUCKETS, format_day, format_dollars, format_round_dollars

NIGHT_UNITS = 10
BAR_UNITS = 7
HEIGHT_UNITS = 100
INTERVALS_MAX = 4
_STEPS = (1, 2, 2.5, 5)


@dataclass(frozen=True, slots=True)
class Block:
    """One bucket of one night."""

    bucket: int
    """0: the youngest bucket."""
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    """One night: its blocks, and its numbers as text."""

    x: float
    blocks: tuple[Block, ...]
    description: str


@dataclass(frozen=True, slots=True)
class Chart:
    """The whole chart, in units."""

    width: int
    bars: tuple[Bar, ...]
    ticks: tuple[str, ...]
    """Axis labels from top to bottom, evenly spaced."""
    lines: tuple[float, ...]
    """Their positions."""
    zero: float


def make_bucket_chart(nights: Sequence[Night]) -> Chart | None:
    """The chart of these nights; None: no night has sums that may be shown."""
    sums = [
        _get_buckets(night.last.totals) if night.last and may_show_sums(night.last.totals.guarantors) else None
        for night in nights
    ]
    known = [buckets for buckets in sums if buckets]
    if not known:
        return None
    highest = max(sum(cents for cents in buckets if cents > 0) for buckets in known)
    lowest = min(sum(cents for cents in buckets if cents < 0) for buckets in known)
    step, below, above = _choose_scale(lowest, highest)
    intervals = below + above
    units_a_cent = HEIGHT_UNITS / (step * intervals)
    zero = HEIGHT_UNITS * above / intervals
    bars = tuple(
        Bar(
            index * NIGHT_UNITS + (NIGHT_UNITS - BAR_UNITS) / 2,
            _stack_blocks(buckets, zero, units_a_cent),
            _describe_night(night),
        )
        for index, (night, buckets) in enumerate(zip(nights, sums, strict=True))
        if buckets
    )
    return Chart(
        width=len(nights) * NIGHT_UNITS,
        bars=bars,
        ticks=tuple(format_round_dollars(round(step * rung)) for rung in range(above, -below - 1, -1)),
        lines=tuple(round(HEIGHT_UNITS * rung / intervals, 2) for rung in range(intervals + 1)),
        zero=round(zero, 2),
    )


def _get_buckets(totals: ControlTotals) -> tuple[int, ...]:
    return tuple(getattr(totals, name) for name, _ in BUCKETS)


def _choose_scale(lowest: int, highest: int) -> tuple[float, int, int]:
    """A round step in cents, and the number of steps below and above zero: at most `INTERVALS_MAX`, at least one."""
    for power in count():
        for first in _STEPS:
            step = first * 100 * 10**power
            below, above = -(lowest // step), -(-highest // step)
            if below + above <= INTERVALS_MAX:
                return step, int(below), max(int(above), 0 if below else 1)
    raise AssertionError("powers do not end")


def _stack_blocks(buckets: tuple[int, ...], zero: float, units_a_cent: float) -> tuple[Block, ...]:
    top = bottom = zero
    blocks = []
    for index, cents in enumerate(buckets):
        height = abs(cents) * units_a_cent
        if cents > 0:
            top -= height
            blocks.append(Block(index, round(top, 2), round(height, 2)))
        elif cents < 0:
            blocks.append(Block(index, round(bottom, 2), round(height, 2)))
            bottom += height
    return tuple(blocks)


def _describe_night(night: Night) -> str:
    assert night.last is not None, "only nights with a snapshot have a bar"
    totals = night.last.totals
    buckets = ", ".join(f"{title} {format_dollars(getattr(totals, name))}" for name, title in BUCKETS)
    return f"{format_day(night.aging_date)}: {buckets}, total {format_dollars(totals.bal_total)}"
