"""The progress of the demo: a live view on a terminal, a line now and then in a pipe."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from time import monotonic

import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from oddaemon.cli.demo.scenario import OfficeScenario
from oddaemon.cli.output.fleet_table import format_summary
from oddaemon.cli.output.formatting import CONDITION_STYLES
from oddaemon.core.office.status import WORST_FIRST
from oddaemon.core.reporting.status_document import OfficeStatus

PLAIN_EVERY_SECONDS = 2.0
NOTES_SHOWN = 4
LINES_BESIDE_OFFICES = 3 + NOTES_SHOWN
CONDITION_WIDTH = max(map(len, WORST_FIRST))
SNAPSHOT_WIDTH = len("88,888 guarantors")


@contextmanager
def open_display(console: Console, scenarios: Sequence[OfficeScenario]) -> Iterator["Display"]:
    """Show the progress within the block; a live view disappears at its end."""
    descriptions = {scenario.id: scenario.description for scenario in scenarios}
    if not console.is_terminal:
        yield Display(descriptions, None)
        return
    with Live(console=console, auto_refresh=False, transient=True, vertical_overflow="crop") as live:
        yield Display(descriptions, live)


class Display:
    """Keeps the state of the demo, and shows each change; without a live view, the fleet in one line."""

    def __init__(self, descriptions: Mapping[str, str], live: Live | None) -> None:
        self._descriptions = descriptions
        self._live = live
        self._started_at = monotonic()
        self._notes: list[str] = []
        self._statuses: Sequence[OfficeStatus] = ()
        self._settled = 0
        self._summary_at = 0.0
        self._summary = ""

    @property
    def seconds(self) -> float:
        """Since the start of the demo."""
        return monotonic() - self._started_at

    def add_note(self, text: str) -> None:
        """Add an event."""
        self._notes.append(text)
        if self._live is None:
            typer.echo(f"{self.seconds:5.1f} s  {text}")
        else:
            self._refresh(self._live)

    def update_fleet(self, statuses: Sequence[OfficeStatus], settled: int) -> None:
        """Set the state of the offices, and how many have reached their expected state."""
        self._statuses, self._settled = statuses, settled
        if self._live is None:
            self._write_summary()
        else:
            self._refresh(self._live)

    def _write_summary(self) -> None:
        now = datetime.now(UTC)
        summary = format_summary([office.status.evaluate_at(now).condition for office in self._statuses])
        if summary != self._summary and self.seconds - self._summary_at >= PLAIN_EVERY_SECONDS:
            self._summary, self._summary_at = summary, self.seconds
            typer.echo(f"{self.seconds:5.1f} s  {summary}")

    def _refresh(self, live: Live) -> None:
        offices = len(self._descriptions)
        bar = Table.grid(padding=(0, 1))
        bar.add_row(
            Text(f"{self.seconds:4.0f} s", style="bold"),
            ProgressBar(total=offices, completed=self._settled, width=40),
            f"{self._settled} of {offices} offices have reached their expected state",
        )
        latest = self._notes[-NOTES_SHOWN:]
        notes = [Text(note, style="default" if note is latest[-1] else "dim") for note in latest]
        table = self._render_offices(max(3, live.console.height - LINES_BESIDE_OFFICES))
        live.update(Group(bar, *notes, table), refresh=True)

    def _render_offices(self, rows_max: int) -> RenderableType:
        now = datetime.now(UTC)
        rows = [(office, office.status.evaluate_at(now)) for office in self._statuses]
        rows.sort(key=lambda pair: (WORST_FIRST.index(pair[1].condition), pair[0].id))
        table = Table.grid(padding=(0, 2), expand=True)
        for width in (max((len(office.id) for office, _ in rows), default=0), CONDITION_WIDTH, SNAPSHOT_WIDTH):
            table.add_column(no_wrap=True, min_width=width)
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        for office, current in rows[:rows_max]:
            snapshot = office.snapshot
            table.add_row(
                office.id,
                Text(current.condition.value, style=CONDITION_STYLES[current.condition]),
                "" if snapshot is None else f"{snapshot.totals.guarantors:,} guarantors",
                Text(self._descriptions.get(office.id, ""), style="dim"),
            )
        hidden = len(rows) - rows_max
        return Group(table, Text(f"and {hidden} more", style="dim")) if hidden > 0 else table
