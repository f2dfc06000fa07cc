"""What two runs say about a change."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.bench import compare
from tests.bench.harness.comparison import Pair, Verdict, format_pair, judge, pair_figures
from tests.bench.harness.figure import Better, Figure, make_figure
from tests.bench.harness.record import make_record, write_record

REQUESTS = make_figure("requests", 42, "requests", is_exact=True)
INSTRUCTIONS = make_figure("instructions", 600.0, "M instructions", is_exact=True, tolerance=0.01)
TIME = make_figure("time", [9.0, 10.0, 11.0], "ms")
RATE = make_figure("rate", [9.0, 10.0, 11.0], "x", Better.MORE)


def scale(figure: Figure, factor: float) -> Figure:
    spread = figure.spread and (figure.spread[0] * factor, figure.spread[1] * factor)
    return replace(figure, value=figure.value * factor, spread=spread)


@pytest.mark.parametrize(
    ("figure", "factor", "expected"),
    [
        (REQUESTS, 1.0, Verdict.SAME),
        (REQUESTS, 43 / 42, Verdict.WORSE),
        (REQUESTS, 41 / 42, Verdict.BETTER),
        (INSTRUCTIONS, 1.009, Verdict.SAME),
        (INSTRUCTIONS, 1.011, Verdict.WORSE),
        (INSTRUCTIONS, 0.98, Verdict.BETTER),
        (TIME, 1.05, Verdict.SAME),
        (TIME, 1.3, Verdict.WORSE),
        (TIME, 0.7, Verdict.BETTER),
        (RATE, 1.3, Verdict.BETTER),
        (RATE, 0.7, Verdict.WORSE),
        (make_figure("time", 10.0, "ms"), 3.0, Verdict.UNJUDGED),
        (make_figure("script", [9.0, 10.0], "rows/s", Better.NEITHER), 0.1, Verdict.UNJUDGED),
    ],
)
def test_a_difference_counts_beyond_the_spread(figure: Figure, factor: float, expected: Verdict) -> None:
    assert judge(Pair(figure, scale(figure, factor))) is expected


def test_only_a_figure_without_noise_is_a_regression() -> None:
    assert Pair(REQUESTS, scale(REQUESTS, 2)).is_regression
    assert not Pair(REQUESTS, scale(REQUESTS, 0.5)).is_regression
    assert not Pair(TIME, scale(TIME, 2)).is_regression


def test_figures_are_paired_by_section_and_name() -> None:
    old = [replace(each, section=section) for each in (REQUESTS, TIME) for section in ("a", "b")]
    new = [replace(REQUESTS, section="a"), replace(RATE, section="a")]
    pairs = pair_figures(old, new)
    assert [(pair.figure.name, judge(pair)) for pair in pairs] == [
        ("requests", Verdict.SAME),
        ("rate", Verdict.ADDED),
        ("time", Verdict.REMOVED),
    ]


def test_a_line_shows_both_values_and_their_ratio() -> None:
    line = format_pair(Pair(replace(REQUESTS, section="cost"), replace(scale(REQUESTS, 2), section="cost")))
    assert line.split() == ["cost:", "requests", "42", "requests", "84", "requests", "2.00", "WORSE", "REGRESSION"]


@pytest.mark.parametrize(("factor", "status"), [(1.0, 0), (0.5, 0), (1.5, 1)])
def test_the_exit_status_says_whether_a_count_grew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, factor: float, status: int
) -> None:
    def record(name: str, figures: Sequence[Figure]) -> str:
        write_record(tmp_path / name, make_record([replace(each, section="cost") for each in figures]))
        return str(tmp_path / name)

    old, new = record("old.json", [REQUESTS, TIME]), record("new.json", [scale(REQUESTS, factor), scale(TIME, 9)])
    monkeypatch.setattr(sys, "argv", ["compare", old, new])
    assert compare.main() == status
