"""`status`: how the whole fleet stands."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import sleep
from typing import Self

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from oddaemon.cli.configuration import find
from oddaemon.cli.exit_status import ExitStatus
from oddaemon.cli.fleet import Told, fleet_told
from oddaemon.cli.sheet import Cell, Column, Sheet, drawn, show
from oddaemon.cli.words import OVERDUE_AFTER, STYLES, ahead, duration
from oddaemon.core.model import Condition, Owner
from oddaemon.core.standing import ACTORS, WORST_FIRST
from oddaemon.core.status import OfficeDocument, summary_document
from oddaemon.engine.inspector import FleetDocument

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

    def of(self, fleet: FleetDocument) -> FleetDocument:
        """The document of the offices selected alone, in its order."""
        chosen = [office for office in fleet["offices"] if self._takes(office)]
        return {**fleet, "offices": chosen, "summary": summary_document(chosen)}

    def _takes(self, office: OfficeDocument) -> bool:
        fits = not self.conditions or office["condition"] in self.conditions
        return fits and self.labels <= office["labels"].items()


def show_status(config: Path | None, selection: Selection, *, as_json: bool, check: bool) -> None:
    """Write the fleet once, then end with the status that `--check` asks for."""
    now = datetime.now(UTC)
    told = fleet_told(find(config), now)
    fleet = selection.of(told.document)
    offices = fleet["offices"]
    if told.remark:
        typer.echo(f"oddaemon: {told.remark}.", err=True)
    if as_json:
        typer.echo(json.dumps(fleet, indent=2, ensure_ascii=False))
    else:
        show(fleet_sheet(offices, now), Console())
        typer.echo(summary_line(_conditions(offices)))
        if not told.remark and (idle := idle_line(offices, now)):
            typer.echo(idle, err=True)
    wanted = {office["condition"] for office in offices} - {Condition.PAUSED.value}
    if check and wanted != {Condition.FRESH.value}:
        raise typer.Exit(ExitStatus.NOT_ALL_FRESH)


def watch_status(config: Path | None, selection: Selection) -> None:
    """Show the fleet as it changes, until Ctrl-C."""
    place, console = find(config), Console()
    try:
        with Live(console=console, screen=console.is_terminal, auto_refresh=False) as live:
            while True:
                now = datetime.now(UTC)
                live.update(_watched(fleet_told(place, now), selection, now), refresh=True)
                # The daemon sends nothing by itself, so it is asked again; Ctrl-C ends a sleep.
                sleep(REFRESH_SECONDS)
    except KeyboardInterrupt:
        raise typer.Exit(ExitStatus.DONE) from None


def _watched(told: Told, selection: Selection, now: datetime) -> Group:
    offices = selection.of(told.document)["offices"]
    remark = [Text(f"{told.remark}.", style="yellow")] if told.remark else []
    return Group(*remark, summary_line(_conditions(offices)), drawn(fleet_sheet(offices, now)))


def _conditions(offices: Sequence[OfficeDocument]) -> list[str]:
    return [office["condition"] for office in offices]


def worst_first(offices: Iterable[OfficeDocument]) -> list[OfficeDocument]:
    """By condition, then by id."""

    def rank(office: OfficeDocument) -> tuple[int, str]:
        return WORST_FIRST.index(Condition(office["condition"])), office["id"]

    return sorted(offices, key=rank)


def fleet_sheet(offices: Sequence[OfficeDocument], now: datetime) -> Sheet:
    """The fleet as a table, the worst first."""
    rows = [_row(office, now) for office in worst_first(offices)]
    named = any(office["name"] != office["id"] for office in offices)
    shown = [index for index, column in enumerate(COLUMNS) if named or column.header != "name"]
    return Sheet([COLUMNS[index] for index in shown], [[row[index] for index in shown] for row in rows])


def summary_line(conditions: Sequence[str]) -> str:
    """The fleet in one line: "25 offices: 3 blocked, 22 fresh"."""
    counts = Counter(conditions)
    told = ", ".join(f"{counts[condition]} {condition}" for condition in WORST_FIRST if condition in counts)
    number = "1 office" if len(conditions) == 1 else f"{len(conditions)} offices"
    return f"{number}: {told}" if told else number


def idle_line(offices: Sequence[OfficeDocument], now: datetime) -> str:
    """A sentence if all that was to be done is overdue although the daemon answers; empty if not."""
    due = [datetime.fromisoformat(at) for office in offices if (at := office["next_action_at"]) is not None]
    if not due or now - max(due) <= OVERDUE_AFTER:
        return ""
    return f"Nothing has been done for {duration(now - max(due))}: is the daemon stuck? See its log."


def since_of(office: OfficeDocument, now: datetime) -> timedelta:
    """How long it has stood so."""
    return now - datetime.fromisoformat(office["since"])


def next_of(office: OfficeDocument, now: datetime) -> str:
    """When something is done for it next: "in 12 min"."""
    at = office["next_action_at"]
    return "-" if at is None else ahead(datetime.fromisoformat(at), now)


def owner_of(office: OfficeDocument) -> str:
    """Who must act, in a word or two."""
    return "-" if office["owner"] is None else ACTORS[Owner(office["owner"])]


def why_of(office: OfficeDocument) -> str:
    """The reason alone where all is well; with what to do where somebody must act."""
    return f"{office['reason']} {office['advice']}".strip()


def _row(office: OfficeDocument, now: datetime) -> list[Cell]:
    snapshot, condition = office["snapshot"], Condition(office["condition"])
    return [
        office["id"],
        office["name"],
        Text(condition.value, style=STYLES[condition]),
        duration(since_of(office, now)),
        office["aging_date"] or "-",
        "-" if snapshot is None else snapshot["aging_date"],
        "-" if snapshot is None else f"{snapshot['guarantors']:,}",
        next_of(office, now),
        owner_of(office),
        why_of(office),
    ]
