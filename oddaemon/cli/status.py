"""`status`: how the whole fleet stands."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import anyio
import typer
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from oddaemon.cli.configuration import settings_of
from oddaemon.cli.exit_status import ExitStatus
from oddaemon.cli.fleet import Known, known_offices, opened, read_with
from oddaemon.cli.sheet import Cell, Column, Sheet, drawn, show
from oddaemon.cli.words import OVERDUE_AFTER, OWNERS, STYLES, WORST_FIRST, ahead, duration
from oddaemon.core.model import Condition, Standing
from oddaemon.core.status import OfficeStatus, status_document
from oddaemon.settings import Settings
from oddaemon.store.database import Database

REFRESH_SECONDS = 1.0

COLUMNS = (
    Column("office"),
    Column("name", wraps=True),
    Column("condition"),
    Column("since", right=True),
    Column("aged"),
    Column("snapshot"),
    Column("guarantors", right=True),
    Column("next"),
    Column("who acts"),
    Column("why", wraps=True),
)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which offices are shown; nothing set means all."""

    conditions: frozenset[Condition] = frozenset()
    labels: frozenset[tuple[str, str]] = frozenset()

    @classmethod
    def parsed(cls, conditions: Sequence[Condition], labels: Sequence[str]) -> Self:
        """From the options as typed; a label without `=` is a usage error."""
        for label in labels:
            if "=" not in label:
                raise typer.BadParameter(f"{label!r} is not KEY=VALUE.", param_hint="--label")
        pairs = (label.partition("=") for label in labels)
        return cls(frozenset(conditions), frozenset((key, value) for key, _, value in pairs))

    async def read(self, db: Database, settings: Settings, now: datetime) -> list[OfficeStatus]:
        """The offices selected, as of `now`, ordered by id."""
        fleet = [known for known in await known_offices(db, settings) if self.labels <= _labels(known)]
        statuses = [known.status(now) for known in fleet]
        return [status for status in statuses if not self.conditions or _condition(status, now) in self.conditions]


def show_status(config: Path | None, selection: Selection, *, as_json: bool, check: bool) -> None:
    """Write the fleet once, then end with the status that `--check` asks for."""
    settings, now = settings_of(config), datetime.now(UTC)
    statuses = read_with(settings, lambda db: selection.read(db, settings, now))
    if as_json:
        typer.echo(json.dumps(status_document(statuses, now), indent=2, ensure_ascii=False))
    else:
        show(fleet_sheet(statuses, now), Console())
        typer.echo(summary_line(statuses, now))
        if idle := idle_line(statuses, now):
            typer.echo(idle, err=True)
    wanted = {_condition(status, now) for status in statuses} - {Condition.PAUSED}
    if check and wanted != {Condition.FRESH}:
        raise typer.Exit(ExitStatus.NOT_ALL_FRESH)


def watch_status(config: Path | None, selection: Selection) -> None:
    """Show the fleet as it changes, until Ctrl-C."""
    settings, console = settings_of(config), Console()

    async def watch() -> None:
        async with opened(settings) as db:
            with Live(console=console, screen=console.is_terminal, auto_refresh=False) as live:
                while True:
                    now = datetime.now(UTC)
                    statuses = await selection.read(db, settings, now)
                    live.update(Group(summary_line(statuses, now), drawn(fleet_sheet(statuses, now))), refresh=True)
                    await anyio.sleep(REFRESH_SECONDS)

    try:
        anyio.run(watch)
    except KeyboardInterrupt:
        raise typer.Exit(ExitStatus.DONE) from None


def fleet_sheet(statuses: Sequence[OfficeStatus], now: datetime) -> Sheet:
    """The fleet as a table, the worst first."""

    def rank(status: OfficeStatus) -> tuple[int, str]:
        return WORST_FIRST.index(_condition(status, now)), status.id

    rows = [_row(status, now) for status in sorted(statuses, key=rank)]
    named = any(status.name != status.id for status in statuses)
    shown = [index for index, column in enumerate(COLUMNS) if named or column.header != "name"]
    return Sheet([COLUMNS[index] for index in shown], [[row[index] for index in shown] for row in rows])


def summary_line(statuses: Sequence[OfficeStatus], now: datetime) -> str:
    """The fleet in one line: "25 offices: 3 blocked, 22 fresh"."""
    counts = _counts(statuses, now)
    told = ", ".join(f"{counts[condition]} {condition}" for condition in WORST_FIRST if condition in counts)
    offices = "1 office" if len(statuses) == 1 else f"{len(statuses)} offices"
    return f"{offices}: {told}" if told else offices


def idle_line(statuses: Sequence[OfficeStatus], now: datetime) -> str:
    """A sentence if everything that was to be done is overdue, so that the daemon seems not to run; empty if not."""
    due = [at for status in statuses if (at := status.standing.next_action_at) is not None]
    if not due or now - max(due) <= OVERDUE_AFTER:
        return ""
    return f"Nothing has been done for {duration(now - max(due))}: is the daemon running?"


def _counts(statuses: Sequence[OfficeStatus], now: datetime) -> Mapping[Condition, int]:
    counts: dict[Condition, int] = {}
    for status in statuses:
        condition = _condition(status, now)
        counts[condition] = counts.get(condition, 0) + 1
    return counts


def _row(status: OfficeStatus, now: datetime) -> list[Cell]:
    standing, snapshot = status.standing.at(now), status.snapshot
    return [
        status.id,
        status.name,
        Text(standing.condition.value, style=STYLES[standing.condition]),
        duration(now - standing.since),
        "-" if status.aging_date is None else status.aging_date.isoformat(),
        "-" if snapshot is None else snapshot.aging_date.isoformat(),
        "-" if snapshot is None else f"{snapshot.guarantors:,}",
        "-" if standing.next_action_at is None else ahead(standing.next_action_at, now),
        "-" if standing.owner is None else OWNERS[standing.owner].partition(",")[0],
        _why(standing),
    ]


def _why(standing: Standing) -> str:
    """The reason alone where all is well; with what to do where somebody must act."""
    return f"{standing.reason} {standing.advice}".strip()


def _condition(status: OfficeStatus, now: datetime) -> Condition:
    return status.standing.at(now).condition


def _labels(known: Known) -> frozenset[tuple[str, str]]:
    return frozenset() if known.settings is None else frozenset(known.settings.office.labels)
