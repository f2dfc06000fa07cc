"""Figures as text."""

from tests.bench.harness.figure import Better, Figure

NAME_WIDTH = 76
VALUE_WIDTH = 17
SPREAD_WIDTH = 20
COUNTS = {"requests", "bytes", "rows", "lines", "instructions", "series"}


def format_value(value: float, unit: str) -> str:
    """Three digits, or all of a count, with the unit."""
    return f"{_format_number(value, unit)} {unit}"


def format_spread(figure: Figure) -> str:
    """The quartiles; empty: it was measured once."""
    if figure.spread is None:
        return ""
    low, high = (_format_number(each, figure.unit) for each in figure.spread)
    return f"{low} to {high}"


def format_goal(figure: Figure) -> str:
    """The bound; empty: it has none."""
    if figure.goal is None:
        return ""
    sign = "<=" if figure.better is Better.LESS else ">="
    return f"{sign} {format_value(figure.goal, figure.unit)}"


def format_line(figure: Figure) -> str:
    """Name, value, spread and goal in columns."""
    goal = format_goal(figure)
    if figure.reaches_goal is False:
        goal += "  MISSED"
    value = format_value(figure.value, figure.unit)
    return (
        f"  {figure.name:<{NAME_WIDTH}} {value:>{VALUE_WIDTH}}  {format_spread(figure):<{SPREAD_WIDTH}} {goal}".rstrip()
    )


def _format_number(value: float, unit: str) -> str:
    if unit in COUNTS or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"
