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

from oddaemon.admin.inspection import FleetDocument
from oddaemon.cli.output.exit import ExitStatus
from oddaemon.cli.output.formatting import CONDITION_STYLES, OVERDUE_AFTER, format_duration, format_relative
from oddaemon.cli.output.table import Cell, TableColumn, TextTable, make_rich_table, print_table
from oddaemon.cli.sources.config_file import find_config
from oddaemon.cli.sources.fleet import FleetReport, load_fleet
from oddaemon.core.model import Condition, Owner
from oddaemon.core.office.status import OWNER_SHORT_NAMES, WORST_FIRST
from oddaemon.core.reporting.status_document import OfficeDocument, make_summary_document

REFRESH_SECONDS = 1.0

COLUMNS = (
    TableColumn("office"),
    TableColumn("name", wraps=True),
    TableColumn("condition"),
    TableColumn("since", right_aligned=True),
    TableColumn("aged"),
    TableColumn("snapshot"),
    TableColumn("guarantors", right_aligned=True),
    TableColumn("next"),
    TableColumn("who acts"),
    TableColumn("why", wraps=True),
)


@dataclass(frozen=True, slots=True)
class OfficeFilter:
    """Which offices are shown; nothing set means all."""

    conditions: frozenset[Condition] = frozenset()
    labels: frozenset[tuple[str, str]] = frozenset()

    @classmethod
    def from_options(cls, conditions: Sequence[Condition], labels: Sequence[str]) -> Self:
        """From the options as typed; a label without `=` is a usage error."""
        for label in labels:
            if "=" not in label:
                raise typer.BadParameter(f"{label!r} is not KEY=VALUE.", param_hint="--label")
        pairs = (label.partition("=") for label in labels)
        return cls(frozenset(conditions), frozenset((key, value) for key, _, value in pairs))

    def apply(self, fleet: FleetDocument) -> FleetDocument:
        """The document of the offices selected alone, in its order."""
        selected = [office for office in fleet["offices"] if self._matches(office)]
        return {**fleet, "offices": selected, "summary": make_summary_document(selected)}

    def _matches(self, office: OfficeDocument) -> bool:
        fits = not self.conditions or office["condition"] in self.conditions
        return fits and self.labels <= office["labels"].items()


def show_status(config: Path | None, office_filter: OfficeFilter, *, as_json: bool, check: bool) -> None:
    """Write the fleet once, then end with the status that `--check` asks for."""
    now = datetime.now(UTC)
    report = load_fleet(find_config(config), now)
    fleet = office_filter.apply(report.document)
    offices = fleet["offices"]
    if report.remark:
        typer.echo(f"oddaemon: {report.remark}.", err=True)
    if as_json:
        typer.echo(json.dumps(fleet, indent=2, ensure_ascii=False))
    else:
        print_table(make_fleet_table(offices, now), Console())
        typer.echo(format_summary(_get_conditions(offices)))
        if not report.remark and (idle := format_idle_warning(offices, now)):
            typer.echo(idle, err=True)
    conditions = {office["condition"] for office in offices} - {Condition.PAUSED.value}
    if check and conditions != {Condition.FRESH.value}:
        raise typer.Exit(ExitStatus.NOT_ALL_FRESH)


def watch_status(config: Path | None, office_filter: OfficeFilter) -> None:
    """Show the fleet as it changes, until Ctrl-C."""
    config_path, console = find_config(config), Console()
    try:
        with Live(console=console, screen=console.is_terminal, auto_refresh=False) as live:
            while True:
                now = datetime.now(UTC)
                live.update(_render_live(load_fleet(config_path, now), office_filter, now), refresh=True)
                # The daemon sends nothing by itself, so it is asked again; Ctrl-C ends a sleep.
                sleep(REFRESH_SECONDS)
    except KeyboardInterrupt:
        raise typer.Exit(ExitStatus.DONE) from None


def _render_live(report: FleetReport, office_filter: OfficeFilter, now: datetime) -> Group:
    offices = office_filter.apply(report.document)["offices"]
    remark = [Text(f"{report.remark}.", style="yellow")] if report.remark else []
    return Group(*remark, format_summary(_get_conditions(offices)), make_rich_table(make_fleet_table(offices, now)))


def _get_conditions(offices: Sequence[OfficeDocument]) -> list[str]:
    return [office["condition"] for office in offices]


def sort_worst_first(offices: Iterable[OfficeDocument]) -> list[OfficeDocument]:
    """By condition, then by id."""

    def rank(office: OfficeDocument) -> tuple[int, str]:
        return WORST_FIRST.index(Condition(office["condition"])), office["id"]

    return sorted(offices, key=rank)


def make_fleet_table(offices: Sequence[OfficeDocument], now: datetime) -> TextTable:
    """The fleet as a table, the worst first."""
    rows = [_format_row(office, now) for office in sort_worst_first(offices)]
    has_names = any(office["name"] != office["id"] for office in offices)
    shown = [index for index, column in enumerate(COLUMNS) if has_names or column.header != "name"]
    return TextTable([COLUMNS[index] for index in shown], [[row[index] for index in shown] for row in rows])


def format_summary(conditions: Sequence[str]) -> str:
    """The fleet in one line: "25 offices: 3 blocked, 22 fresh"."""
    counts = Counter(conditions)
    breakdown = ", ".join(f"{counts[condition]} {condition}" for condition in WORST_FIRST if condition in counts)
    number = "1 office" if len(conditions) == 1 else f"{len(conditions)} offices"
    return f"{number}: {breakdown}" if breakdown else number


def format_idle_warning(offices: Sequence[OfficeDocument], now: datetime) -> str:
    """A sentence if all that was to be done is overdue although the daemon answers; empty if not."""
    due = [datetime.fromisoformat(at) for office in offices if (at := office["next_action_at"]) is not None]
    if not due or now - max(due) <= OVERDUE_AFTER:
        return ""
    return f"Nothing has been done for {format_duration(now - max(due))}: is the daemon stuck? See its log."


def get_duration(office: OfficeDocument, now: datetime) -> timedelta:
    """How long it has stood so."""
    return now - datetime.fromisoformat(office["since"])


def format_next_action(office: OfficeDocument, now: datetime) -> str:
    """When something is done for it next: "in 12 min"."""
    at = office["next_action_at"]
    return "-" if at is None else format_relative(datetime.fromisoformat(at), now)


def format_owner(office: OfficeDocument) -> str:
    """Who must act, in a word or two."""
    return "-" if office["owner"] is None else OWNER_SHORT_NAMES[Owner(office["owner"])]


def format_reason(office: OfficeDocument) -> str:
    """The reason alone where all is well; with what to do where somebody must act."""
    return f"{office['reason']} {office['advice']}".strip()


def _format_row(office: OfficeDocument, now: datetime) -> list[Cell]:
    snapshot, condition = office["snapshot"], Condition(office["condition"])
    return [
        office["id"],
        office["name"],
        Text(condition.value, style=CONDITION_STYLES[condition]),
        format_duration(get_duration(office, now)),
        office["aging_date"] or "-",
        "-" if snapshot is None else snapshot["aging_date"],
        "-" if snapshot is None else f"{snapshot['guarantors']:,}",
        format_next_action(office, now),
        format_owner(office),
        format_reason(office),
    ]
