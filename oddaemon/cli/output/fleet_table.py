"""The fleet as text: a table, worst first, and a summary in one line."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from rich.text import Text

from oddaemon.cli.output.formatting import CONDITION_STYLES, OVERDUE_AFTER, format_relative
from oddaemon.cli.output.table import Cell, TableColumn, TextTable
from oddaemon.core.model import Condition, Owner
from oddaemon.core.office.status import OWNER_SHORT_NAMES, WORST_FIRST
from oddaemon.core.reporting.formatting import format_count, format_duration
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
    rows = [_format_row(office, now) for office in sort_worst_first(offices)]
    has_names = any(office["name"] != office["id"] for office in offices)
    shown = [index for index, column in enumerate(COLUMNS) if has_names or column.header != "name"]
    return TextTable([COLUMNS[index] for index in shown], [[row[index] for index in shown] for row in rows])


def format_summary(conditions: Sequence[str]) -> str:
    """The fleet in one line: "25 offices: 3 blocked, 22 fresh"."""
    counts = Counter(conditions)
    breakdown = ", ".join(f"{counts[condition]} {condition}" for condition in WORST_FIRST if condition in counts)
    number = format_count(len(conditions), "office")
    return f"{number}: {breakdown}" if breakdown else number


def format_idle_warning(offices: Sequence[OfficeDocument], now: datetime) -> str:
    """A warning if every action of a daemon that answers is overdue; else empty."""
    due = [datetime.fromisoformat(at) for office in offices if (at := office["next_action_at"]) is not None]
    if not due or now - max(due) <= OVERDUE_AFTER:
        return ""
    return f"Nothing has happened for {format_duration(now - max(due))}: the daemon may be stuck. See its log."


def get_duration(office: OfficeDocument, now: datetime) -> timedelta:
    """How long it has been in its condition."""
    return now - datetime.fromisoformat(office["since"])


def format_next_action(office: OfficeDocument, now: datetime) -> str:
    """When its next action starts: "in 12 min"."""
    at = office["next_action_at"]
    return "-" if at is None else format_relative(datetime.fromisoformat(at), now)


def format_owner(office: OfficeDocument) -> str:
    """Who must act, in a word or two."""
    return "-" if office["owner"] is None else OWNER_SHORT_NAMES[Owner(office["owner"])]


def format_reason(office: OfficeDocument) -> str:
    """The reason for its condition, and what to do about it."""
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
