"""Two runs of the bench beside each other: what is better, what is worse, and what is noise."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from tests.bench.harness.figure import Better, Figure
from tests.bench.harness.text import NAME_WIDTH, VALUE_WIDTH, format_value


class Verdict(StrEnum):
    """What a pair of figures says."""

    BETTER = "better"
    WORSE = "WORSE"
    SAME = "same"
    """Equal, or within the spread of either run."""
    UNJUDGED = "?"
    """It has no better side, or depends on noise and was measured once."""
    ADDED = "added"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Pair:
    """One figure in two runs."""

    old: Figure | None
    new: Figure | None

    @property
    def figure(self) -> Figure:
        """The newer one."""
        figure = self.new or self.old
        assert figure is not None, "a pair has at least one"
        return figure

    @property
    def is_regression(self) -> bool:
        """Whether a figure without noise is worse."""
        return self.figure.is_exact and judge(self) is Verdict.WORSE


def pair_figures(old: Sequence[Figure], new: Sequence[Figure]) -> list[Pair]:
    """Each figure of both runs, by section and name, in the order of the new run.

    Figures of sections that only one run measured are left out.
    """
    olds, news = ({(each.section, each.name): each for each in figures} for figures in (old, new))
    shared = {section for section, _ in olds} & {section for section, _ in news}
    return [Pair(olds.get(key), news.get(key)) for key in news | olds if key[0] in shared]


def judge(pair: Pair) -> Verdict:
    """Worse or better only beyond the spread of both runs; a count has none, but its tolerance."""
    old, new = pair.old, pair.new
    if old is None or new is None:
        return Verdict.ADDED if old is None else Verdict.REMOVED
    if new.better is Better.NEITHER or old.unit != new.unit:
        return Verdict.UNJUDGED
    if not new.is_exact and (old.spread is None or new.spread is None):
        return Verdict.UNJUDGED
    (old_low, old_high), (new_low, new_high) = (each.spread or (each.value, each.value) for each in (old, new))
    allowed = 1 + new.tolerance
    if new_low <= old_high * allowed and old_low <= new_high * allowed:
        return Verdict.SAME
    return Verdict.BETTER if (new.value < old.value) is (new.better is Better.LESS) else Verdict.WORSE


def format_pair(pair: Pair) -> str:
    """Name, both values, the ratio of the new to the old one, and the verdict."""
    old, new = (format_value(each.value, each.unit) if each else "-" for each in (pair.old, pair.new))
    ratio = f"{pair.new.value / pair.old.value:.2f}" if pair.old and pair.new and pair.old.value else "-"
    name = f"{pair.figure.section}: {pair.figure.name}"
    verdict = f"{judge(pair)}{'  REGRESSION' if pair.is_regression else ''}"
    return f"{name:<{NAME_WIDTH}} {old:>{VALUE_WIDTH}} {new:>{VALUE_WIDTH}} {ratio:>6}  {verdict}"
