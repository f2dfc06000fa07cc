"""The fleet as text: a table, worst first, and a summary in one line."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime

from rich.text import Text

from oddaemon.cli.output.formatting import CONDITION_STYLES, OVERDUE_AFTER, format_relative
from oddaemon.cli.output.table import Cell, TableColumn, TextTable
from oddaemon.core.model import Condition, Owner
from oddaemon.core.office.status import OWNER_SHORT_NAMES, WORST_FIRST
from oddaemon.core.reporting.fleet_document import FleetOverviewDocument, ReplicationDocument
from oddaemon.core.reporting.formatting import format_count, format_duration, format_seconds
from oddaemon.core.reporting.status_document import OfficeDocument

COLUMNS = (
    TableColumn("office"),
    TableColumn("name", wraps=True),
    TableColumn("condition"),
    TableColumn("since", right_aligned=True),
    TableColumn("aged"),
    TableColumn("snapshot"),
    TableColumn("guarantors", right_aligned=True),
    TableColumn("next"),
    TableColumn("host"),
    TableColumn("who acts"),
    TableColumn("why", wraps=True),
)


def sort_worst_first(offices: Sequence[OfficeDocument]) -> list[OfficeDocument]:
    """The offices by condition, then by id."""

    def rank(office: OfficeDocument) -> tuple[int, str]:
        return WORST_FIRST.index(Condition(office["condition"])), office["id"]

    return sorted(offices, key=rank)


def make_fleet_table(offices: Sequence[OfficeDocument], now: datetime) -> TextTable:
    """The fleet as a table, worst first."""
    columns = [column for column in COLUMNS if column.header not in find_empty_columns(offices)]
    cells = [format_cells(office, now) for office in sort_worst_first(offices)]
    return TextTable(columns, [[each[column.header] for column in columns] for each in cells])


def find_empty_columns(offices: Sequence[OfficeDocument]) -> frozenset[str]:
    """The headers of columns that say nothing of these offices."""
    has_names = any(office["name"] != office["id"] for office in offices)
    has_hosts = any(office["host"] is not None for office in offices)
    return frozenset(header for header, has_any in (("name", has_names), ("host", has_hosts)) if not has_any)


def format_summary(conditions: Sequence[str]) -> str:
    """The fleet in one line: "25 offices: 3 blocked, 22 fresh"."""
    counts = Counter(conditions)
    breakdown = ", ".join(f"{counts[condition]} {condition}" for condition in WORST_FIRST if condition in counts)
    number = format_count(len(conditions), "office")
    return f"{number}: {breakdown}" if breakdown else number


def format_fleet_warnings(fleet: FleetOverviewDocument) -> Iterator[str]:
    """What an operator should know of the hosts, a sentence each."""
    if differences := fleet["differences"]:
        yield f"Hosts differ: {' '.join(each['sentence'] for each in differences)}"
    if unheld := fleet["offices"]["unheld"]:
        yield f"No host works for {format_count(unheld, 'office')}."
    if lost := fleet["lost_hosts"]:
        yield f"Lost within the hour, without draining: {', '.join(lost)}."


def describe_replication(database: ReplicationDocument) -> str:
    """What a failover of the database would lose, as a clause."""
    lag = "" if (seconds := database["lag_seconds"]) is None else f", {format_seconds(seconds)} behind"
    if not database["standbys"]:
        return "no standby follows it" + (", and commits wait for one" if database["is_synchronous"] else "")
    standbys = format_count(database["standbys"], "standby server")
    if database["is_synchronous"]:
        return f"{standbys}{lag}; a commit waits for one, so a failover loses nothing"
    return f"{standbys}{lag}; no commit waits for one, so a failover may lose the last ones"


def format_idle_warning(offices: Sequence[OfficeDocument], now: datetime) -> str:
    """A warning if every action of a daemon that answers is overdue; else empty."""
    due = [datetime.fromisoformat(at) for office in offices if (at := office["next_action_at"]) is not None]
    if not due or now - max(due) <= OVERDUE_AFTER:
        return ""
    return f"Nothing has happened for {format_duration(now - max(due))}: the daemon may be stuck. See its log."


def format_cells(office: OfficeDocument, now: datetime) -> dict[str, Cell]:
    """The cells of an office, by the header of their column."""
    snapshot, condition = office["snapshot"], Condition(office["condition"])
    owner, next_at = office["owner"], office["next_action_at"]
    return {
        "office": office["id"],
        "name": office["name"],
        "condition": Text(condition.value, style=CONDITION_STYLES[condition]),
        "since": format_duration(now - datetime.fromisoformat(office["since"])),
        "aged": office["aging_date"] or "-",
        "snapshot": "-" if snapshot is None else snapshot["aging_date"],
        "guarantors": "-" if snapshot is None else f"{snapshot['guarantors']:,}",
        "next": "-" if next_at is None else format_relative(datetime.fromisoformat(next_at), now),
        "host": office["host"] or "-",
        "who acts": "-" if owner is None else OWNER_SHORT_NAMES[Owner(owner)],
        "why": f"{office['reason']} {office['advice']}".strip(),
    }
