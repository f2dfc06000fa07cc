"""What a section of the bench yields: figures, what it measures at the moment, and what it cannot measure here."""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum


class Better(StrEnum):
    """Which way a figure improves."""

    LESS = "less"
    MORE = "more"
    NEITHER = "neither"
    """It says what others are compared with, such as the rate of a plain script."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured number.

    Attributes:
        name: What was measured; with the section, what two runs are compared by.
        value: The median, or the only measurement.
        unit: Such as `ms`, `x` (times what it is compared with), `requests`.
        better: Which way it improves.
        spread: The lower and upper quartile of the measurements; None: it was measured once.
        goal: The bound that it should keep, in the same unit; None: no goal.
        is_exact: It counts (requests, bytes, instructions), so it does not depend on what else the machine does.
        tolerance: The share by which two counts of the same program may differ.
        section: The section of the bench; the harness fills it in.
    """

    name: str
    value: float
    unit: str
    better: Better
    spread: tuple[float, float] | None = None
    goal: float | None = None
    is_exact: bool = False
    tolerance: float = 0.0
    section: str = ""

    @property
    def reaches_goal(self) -> bool | None:
        """None: it has no goal."""
        if self.goal is None:
            return None
        return self.value <= self.goal if self.better is Better.LESS else self.value >= self.goal


@dataclass(frozen=True, slots=True)
class Step:
    """What is measured now."""

    what: str
    done: int = 0
    total: int = 0
    """Of the steps of this kind; 0: unknown."""


@dataclass(frozen=True, slots=True)
class Skip:
    """A measurement for which this machine lacks something."""

    name: str
    why: str


Measurement = Iterator[Figure | Step | Skip]


def make_figure(
    name: str,
    values: float | Sequence[float],
    unit: str,
    better: Better = Better.LESS,
    *,
    goal: float | None = None,
    is_exact: bool = False,
    tolerance: float = 0.0,
) -> Figure:
    """A figure from one measurement, or the median and the quartiles of several."""
    if isinstance(values, int | float):
        return Figure(
            name=name, value=values, unit=unit, better=better, goal=goal, is_exact=is_exact, tolerance=tolerance
        )
    figure = make_figure(
        name, statistics.median(values), unit, better, goal=goal, is_exact=is_exact, tolerance=tolerance
    )
    return replace(figure, spread=find_quartiles(values)) if len(values) > 1 else figure


def find_quartiles(values: Sequence[float]) -> tuple[float, float]:
    """The lower and the upper quartile of at least two values."""
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high


def divide_pairwise(dividends: Sequence[float], divisors: Sequence[float]) -> list[float]:
    """The quotient of each round: what slows a machine for a while slows both sides of a round."""
    return [dividend / divisor for dividend, divisor in zip(dividends, divisors, strict=True)]
