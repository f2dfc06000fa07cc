"""Shows the night while it passes: a live picture on a terminal, a line now and then in a pipe."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from oddaemon.cli.demo.character import Character
from oddaemon.cli.demo.scene import Scene, Show
from oddaemon.cli.status import summary_line
from oddaemon.cli.words import STYLES
from oddaemon.core.standing import WORST_FIRST

PLAIN_EVERY_SECONDS = 2.0
NOTES_SHOWN = 4
LINES_BESIDE_OFFICES = 3 + NOTES_SHOWN
CONDITION_WIDTH = max(map(len, WORST_FIRST))
SNAPSHOT_WIDTH = len("88,888 guarantors")


@contextmanager
def displayed(console: Console, characters: Sequence[Character]) -> Iterator[Show]:
    """Gives the function that shows a scene; whatever was live is gone at the end."""
    if not console.is_terminal:
        yield _PlainDisplay().show
        return
    planted = {character.id: character.planted for character in characters}
    with Live(console=console, auto_refresh=False, transient=True, vertical_overflow="crop") as live:
        yield lambda scene: live.update(_picture(scene, planted, console.height), refresh=True)


class _PlainDisplay:
    """Each note once, and between them the fleet in a line."""

    def __init__(self) -> None:
        self._notes = 0
        self._told_at = 0.0
        self._told = ""

    def show(self, scene: Scene) -> None:
        for note in scene.notes[self._notes :]:
            typer.echo(f"{scene.seconds:5.1f} s  {note}")
        self._notes = len(scene.notes)
        conditions = [status.standing.at(scene.now).condition for status in scene.statuses]
        fleet = summary_line(conditions) if conditions else ""
        if fleet != self._told and scene.seconds - self._told_at >= PLAIN_EVERY_SECONDS:
            self._told, self._told_at = fleet, scene.seconds
            typer.echo(f"{scene.seconds:5.1f} s  {fleet}")


def _picture(scene: Scene, planted: Mapping[str, str], height: int) -> RenderableType:
    bar = Table.grid(padding=(0, 1))
    bar.add_row(
        Text(f"{scene.seconds:4.0f} s", style="bold"),
        ProgressBar(total=len(planted), completed=scene.settled, width=40),
        f"{scene.settled} of {len(planted)} offices are where this night must bring them",
    )
    notes = [Text(note, style="default" if note is scene.notes[-1] else "dim") for note in scene.notes[-NOTES_SHOWN:]]
    return Group(bar, *notes, _offices(scene, planted, max(3, height - LINES_BESIDE_OFFICES)))


def _offices(scene: Scene, planted: Mapping[str, str], rows_max: int) -> RenderableType:
    standings = [(status, status.standing.at(scene.now)) for status in scene.statuses]
    standings.sort(key=lambda pair: (WORST_FIRST.index(pair[1].condition), pair[0].id))
    table = Table.grid(padding=(0, 2), expand=True)
    for width in (max((len(status.id) for status, _ in standings), default=0), CONDITION_WIDTH, SNAPSHOT_WIDTH):
        table.add_column(no_wrap=True, min_width=width)
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    for status, standing in standings[:rows_max]:
        snapshot = status.snapshot
        table.add_row(
            status.id,
            Text(standing.condition.value, style=STYLES[standing.condition]),
            "" if snapshot is None else f"{snapshot.guarantors:,} guarantors",
            Text(planted.get(status.id, ""), style="dim"),
        )
    hidden = len(standings) - rows_max
    return Group(table, Text(f"and {hidden} more", style="dim")) if hidden > 0 else table
