"""The figures of the stories: recorded with each test, shown as one table at the end, and written to a file."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

PROPERTY = "fleet figure"


@dataclass(frozen=True)
class Figure:
    """One figure.

    Attributes:
        story: What happened.
        name: What was measured.
        value: The measurement.
        unit: Its unit.
        limit: What is promised; None: nothing.
    """

    story: str
    name: str
    value: float
    unit: str = "s"
    limit: float | None = None


class FigureRecorder:
    """Takes the figures of one test."""

    def __init__(self, properties: list[tuple[str, object]]) -> None:
        self._properties = properties

    def record(self, story: str, name: str, value: float, unit: str = "s", limit: float | None = None) -> None:
        """Take one figure."""
        self._properties.append((PROPERTY, [story, name, value, unit, limit]))

    def record_all(self, story: str, name: str, values: Sequence[float], limit: float | None = None) -> None:
        """Take the median and the greatest of several, in seconds."""
        if values:
            ordered = sorted(values)
            self.record(story, f"{name}, median of {len(values)}", ordered[len(ordered) // 2])
            self.record(story, f"{name}, last", ordered[-1], limit=limit)


def render_figures(figures: Iterable[Figure]) -> str:
    """A table in Markdown."""
    lines = ["| story | figure | value | promised |", "|---|---|---|---|"]
    for each in figures:
        limit = "" if each.limit is None else f"{each.limit:g} {each.unit}"
        lines.append(f"| {each.story} | {each.name} | {each.value:.4g} {each.unit} | {limit} |")
    return "\n".join(lines) + "\n"


def write_figures(figures: Iterable[Figure], path: Path) -> None:
    """Write the table to a file."""
    path.write_text(render_figures(figures), encoding="utf-8")
