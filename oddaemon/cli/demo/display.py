"""The progress of the demo: a live view on a terminal, a line now and then in a pipe."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import anyio
import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from oddaemon.cli.demo.offices import OfficeScenario
from oddaemon.cli.output.fleet_table import format_summary
from oddaemon.cli.output.formatting import CONDITION_STYLES
from oddaemon.core.office.status import WORST_FIRST
from oddaemon.core.reporting.status_document import OfficeStatus


@dataclass(frozen=True, slots=True)
class DemoState:
    """The demo at one moment."""

    seconds: float
    """Since the start of the demo."""
    now: datetime
    notes: Sequence[str] = ()
    """Events so far, oldest first."""
    statuses: Sequence[OfficeStatus] = ()
    settled: int = 0
    """How many offices have reached their expected state."""


ShowState = Callable[[DemoState], None]


class Display:
    """Keeps the current state of the demo, and shows each change."""

    def __init__(self, show: ShowState) -> None:
        self._show = show
        self._started_at = anyio.current_time()
        self._state = DemoState(0.0, datetime.now(UTC))

    @property
    def seconds(self) -> float:
        """Since the start of the demo."""
        return anyio.current_time() - self._started_at

    def add_note(self, text: str) -> None:
        """Add an event."""
        self._update(replace(self._state, notes=(*self._state.notes, text)))

    def update_fleet(self, statuses: Sequence[OfficeStatus], settled: int) -> None:
        """Set the state of the offices."""
        self._update(replace(self._state, statuses=statuses, settled=settled))

    def _update(self, state: DemoState) -> None:
        self._state = replace(state, seconds=self.seconds, now=datetime.now(UTC))
        self._show(self._state)


PLAIN_EVERY_SECONDS = 2.0
NOTES_SHOWN = 4
LINES_BESIDE_OFFICES = 3 + NOTES_SHOWN
CONDITION_WIDTH = max(map(len, WORST_FIRST))
SNAPSHOT_WIDTH = len("88,888 guarantors")


@contextmanager
def open_display(console: Console, scenarios: Sequence[OfficeScenario]) -> Iterator[ShowState]:
    """Yield the function that shows a state; a live view disappears at the end."""
    if not console.is_terminal:
        yield _PlainDisplay().show
        return
    descriptions = {scenario.id: scenario.description for scenario in scenarios}
    with Live(console=console, auto_refresh=False, transient=True, vertical_overflow="crop") as live:
        yield lambda state: live.update(_render(state, descriptions, console.height), refresh=True)


class _PlainDisplay:
    """Writes each note once, and between them the fleet in one line."""

    def __init__(self) -> None:
        self._notes_shown = 0
        self._summary_at = 0.0
        self._summary = ""

    def show(self, state: DemoState) -> None:
        for note in state.notes[self._notes_shown :]:
            typer.echo(f"{state.seconds:5.1f} s  {note}")
        self._notes_shown = len(state.notes)
        conditions = [status.status.evaluate_at(state.now).condition for status in state.statuses]
        summary = format_summary(conditions) if conditions else ""
        if summary != self._summary and state.seconds - self._summary_at >= PLAIN_EVERY_SECONDS:
            self._summary, self._summary_at = summary, state.seconds
            typer.echo(f"{state.seconds:5.1f} s  {summary}")


def _render(state: DemoState, descriptions: Mapping[str, str], height: int) -> RenderableType:
    bar = Table.grid(padding=(0, 1))
    bar.add_row(
        Text(f"{state.seconds:4.0f} s", style="bold"),
        ProgressBar(total=len(descriptions), completed=state.settled, width=40),
        f"{state.settled} of {len(descriptions)} offices have reached their expected state",
    )
    notes = [Text(note, style="default" if note is state.notes[-1] else "dim") for note in state.notes[-NOTES_SHOWN:]]
    return Group(bar, *notes, _render_offices(state, descriptions, max(3, height - LINES_BESIDE_OFFICES)))


def _render_offices(state: DemoState, descriptions: Mapping[str, str], rows_max: int) -> RenderableType:
    rows = [(status, status.status.evaluate_at(state.now)) for status in state.statuses]
    rows.sort(key=lambda pair: (WORST_FIRST.index(pair[1].condition), pair[0].id))
    table = Table.grid(padding=(0, 2), expand=True)
    for width in (max((len(status.id) for status, _ in rows), default=0), CONDITION_WIDTH, SNAPSHOT_WIDTH):
        table.add_column(no_wrap=True, min_width=width)
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    for status, current in rows[:rows_max]:
        snapshot = status.snapshot
        table.add_row(
            status.id,
            Text(current.condition.value, style=CONDITION_STYLES[current.condition]),
            "" if snapshot is None else f"{snapshot.totals.guarantors:,} guarantors",
            Text(descriptions.get(status.id, ""), style="dim"),
        )
    hidden = len(rows) - rows_max
    return Group(table, Text(f"and {hidden} more", style="dim")) if hidden > 0 else table
