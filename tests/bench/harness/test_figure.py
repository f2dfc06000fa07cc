"""What a figure is, and how rounds make one."""

from tests.bench.harness.figure import Better, Step, divide_pairwise, make_figure
from tests.bench.harness.rounds import interleave
from tests.bench.harness.text import format_line


def test_several_measurements_are_their_median_and_quartiles() -> None:
    figure = make_figure("time", [5.0, 1.0, 2.0, 4.0, 3.0], "ms", goal=3)
    assert (figure.value, figure.spread, figure.reaches_goal) == (3.0, (2.0, 4.0), True)


def test_one_measurement_has_no_spread() -> None:
    assert make_figure("time", 5.0, "ms").spread is None
    assert make_figure("time", [5.0], "ms").spread is None


def test_a_goal_is_a_bound_on_the_better_side() -> None:
    assert make_figure("rate", 5.0, "x", Better.MORE, goal=6).reaches_goal is False
    assert make_figure("time", 5.0, "ms", goal=6).reaches_goal is True
    assert make_figure("time", 5.0, "ms").reaches_goal is None


def test_a_line_shows_value_spread_and_a_missed_goal() -> None:
    line = format_line(make_figure("of all", [1.0, 2.0, 3.0], "x", Better.MORE, goal=6))
    assert line.split() == ["of", "all", "2.00", "x", "1.50", "to", "2.50", ">=", "6.00", "x", "MISSED"]


def test_rounds_take_every_variant_in_turn_and_forget_the_warm_up() -> None:
    order: list[str] = []

    def measure(name: str) -> int:
        order.append(name)
        return len(order)

    rounds = interleave({"a": lambda: measure("a"), "b": lambda: measure("b")}, 2, warm_ups=1)
    steps: list[Step] = []
    while True:
        try:
            steps.append(next(rounds))
        except StopIteration as end:
            found = end.value
            break
    assert order == ["a", "b"] * 3
    assert found == {"a": [3, 5], "b": [4, 6]}
    assert [(step.what, step.done, step.total) for step in steps[-2:]] == [("a", 4, 6), ("b", 5, 6)]


def test_a_ratio_is_taken_within_each_round() -> None:
    assert divide_pairwise([2.0, 30.0], [1.0, 10.0]) == [2.0, 3.0]
