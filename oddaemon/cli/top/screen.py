"""The screen of `top`, for the size of the terminal: a header, the offices that fit, and the keys."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from oddaemon.admin.inspection import FleetDocument
from oddaemon.cli.output.fleet_table import COLUMNS, find_empty_columns, format_cells, format_fleet_warnings
from oddaemon.cli.output.formatting import CONDITION_STYLES, format_relative
from oddaemon.core.model import Condition
from oddaemon.core.office.status import WORST_FIRST
from oddaemon.core.reporting.fleet_document import FleetOverviewDocument
from oddaemon.core.reporting.formatting import format_count, format_duration
from oddaemon.core.reporting.status_document import OfficeDocument

HEADER_LINES = 3
NON_TABLE_LINES = HEADER_LINES + 2
"""Plus the table's header and the keys."""
WIDE_COLUMNS = 110
"""From this width on all columns fit."""
WIDTHS = {
    "office": len("OFFICE"),
    "condition": max(map(len, Condition)),
    "since": len("59 min"),
    "aged": len("2026-03-08"),
    "snapshot": len("2026-03-08"),
    "guarantors": len("GUARANTORS"),
    "next": len("in 59 min"),
    "host": len("HOST"),
    "who acts": len("Open Dental"),
    "why": 0,
}
"""Of the columns; 0: the rest of the screen."""
NARROW = ("office", "condition", "since", "next", "host", "why")
"""The columns of a narrower screen."""
ID_WIDTH_MAX = 28
HOST_WIDTH_MAX = 12
KEY_HELP = "q quit   ↑↓ PgUp PgDn scroll   c condition   / search"


@dataclass(slots=True)
class ViewState:
    """What the user chose to see."""

    offset: int = 0
    """Offices scrolled off the top."""
    condition: Condition | None = None
    search_text: str = ""
    is_typing: bool = False
    """Whether keys edit the search text."""

    def matches(self, office: OfficeDocument) -> bool:
        """Whether an office is in view."""
        searchable = f"{office['id']} {office['name']} {office['reason']} {' '.join(office['labels'].values())}"
        return self.condition in {None, office["condition"]} and self.search_text.casefold() in searchable.casefold()

    def clear_filters(self) -> None:
        """Show all offices."""
        self.condition, self.search_text = None, ""

    def cycle_condition(self, present: Collection[str]) -> None:
        """Select the next condition that is present; after the last one, all."""
        choices = [None, *(each for each in WORST_FIRST if each in present or each is self.condition)]
        self.condition = choices[(choices.index(self.condition) + 1) % len(choices)]

    def start_search(self) -> None:
        """Let keys edit the search text."""
        self.is_typing, self.search_text = True, ""

    def edit_search(self, key: str) -> None:
        """Apply a key to the search text."""
        match key:
            case "enter":
                self.is_typing = False
            case "escape":
                self.is_typing, self.search_text = False, ""
            case "backspace":
                self.search_text = self.search_text[:-1]
            case _ if len(key) == 1:
                self.search_text += key

    def scroll(self, key: str, page: int, offices: int) -> None:
        """Scroll among `offices`, `page` of which are visible; never past either end."""
        steps = {
            "up": -1,
            "k": -1,
            "down": 1,
            "j": 1,
            "page up": -page,
            "page down": page,
            " ": page,
            "home": -offices,
            "g": -offices,
            "end": offices,
            "G": offices,
        }
        self.offset = max(0, min(self.offset + steps.get(key, 0), offices - page))


def count_visible_rows(height: int) -> int:
    """How many offices fit on a screen of this height."""
    return max(1, height - NON_TABLE_LINES)


@dataclass(frozen=True, slots=True)
class TopScreen:
    """The fleet at one moment, to be printed by rich."""

    fleet: FleetDocument
    remark: str
    offices: Sequence[OfficeDocument]
    """Those in view, worst first."""
    view: ViewState
    rate: float | None
    """Requests per second."""
    width: int
    height: int | None
    """None: every office is shown."""
    now: datetime

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render header, table and keys."""
        yield from self._render_header()
        visible = self.offices
        if self.height is not None:
            visible = self.offices[self.view.offset : self.view.offset + count_visible_rows(self.height)]
        yield self._render_table(visible)
        if self.height is not None:
            filling = count_visible_rows(self.height) - len(visible)
            yield from (Text("") for _ in range(filling))
            yield Text(self._render_footer(len(visible)), style="reverse", no_wrap=True, overflow="ellipsis", end="")

    def _render_header(self) -> Iterator[RenderableType]:
        yield self._render_line(*self._render_daemon())
        yield self._render_line(*self._render_conditions())
        yield self._render_line(*self._render_activity())

    def _render_line(self, *parts: Text) -> Text:
        line = Text("  ", no_wrap=True, overflow="ellipsis").join(parts)
        line.no_wrap, line.overflow = True, "ellipsis"
        return line

    def _render_daemon(self) -> Iterator[Text]:
        yield Text(f"{self.now.astimezone():%H:%M:%S}", style="bold")
        daemon = self.fleet["daemon"]
        if daemon is None:
            yield Text(f"{self.remark}.", style="bold yellow")
            return
        up = format_duration(self.now - datetime.fromisoformat(daemon["started_at"]))
        yield Text(f"oddaemon {daemon['version']}, up {up}")
        if not daemon["ready"]:
            yield Text(f"not ready: {daemon['reason']}", style="bold red")
        if "fleet" in self.fleet:
            yield Text(_format_hosts(self.fleet["fleet"]))
            yield from (Text(warning, style="bold yellow") for warning in format_fleet_warnings(self.fleet["fleet"]))

    def _render_conditions(self) -> Iterator[Text]:
        counts = Counter(office["condition"] for office in self.fleet["offices"])
        yield Text(format_count(counts.total(), "office"), style="bold")
        for condition in WORST_FIRST:
            if counts[condition]:
                yield Text(f"{counts[condition]:,} {condition}", style=CONDITION_STYLES[condition])

    def _render_activity(self) -> Iterator[Text]:
        daemon = self.fleet["daemon"]
        if daemon is not None:
            yield Text("-" if self.rate is None else f"{self.rate:.1f}", style="bold").append(" requests/s")
            yield Text(f"{daemon['requests_in_flight']:,}", style="bold").append(" in flight")
        due = [(at, office) for office in self.fleet["offices"] if (at := office["next_action_at"]) is not None]
        if due:
            at, office = min(due, key=lambda pair: pair[0])
            when = format_relative(datetime.fromisoformat(at), self.now)
            yield Text(f"next {when}: {office['id']} {office['next_action']}", style="dim")

    def _render_table(self, offices: Sequence[OfficeDocument]) -> Table:
        shown = frozenset(WIDTHS if self.width >= WIDE_COLUMNS else NARROW) - find_empty_columns(self.fleet["offices"])
        columns = [each for each in COLUMNS if each.header in shown]
        # Of all offices, so that no column moves while scrolling.
        longest_id = max((len(office["id"]) for office in self.offices), default=0)
        longest_host = max((len(office["host"] or "") for office in self.fleet["offices"]), default=0)
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, expand=True, header_style="bold underline")
        widths = {
            **WIDTHS,
            "office": max(WIDTHS["office"], min(longest_id, ID_WIDTH_MAX)),
            "host": max(WIDTHS["host"], min(longest_host, HOST_WIDTH_MAX)),
        }
        for column in columns:
            table.add_column(
                "FOR" if column.header == "since" else column.header.upper(),
                width=widths[column.header] or None,
                ratio=0 if widths[column.header] else 1,
                justify="right" if column.right_aligned else "left",
                no_wrap=True,
                overflow="ellipsis",
            )
        for office in offices:
            cells = format_cells(office, self.now)
            # Square brackets in a reason are not markup.
            table.add_row(*(Text.assemble(cells[column.header]) for column in columns))
        return table

    def _render_footer(self, shown: int) -> str:
        if self.view.is_typing:
            return f" / {self.view.search_text}▏ Enter keeps it, Esc clears it".ljust(self.width)
        first = self.view.offset + 1 if shown else 0
        position = f"{first:,}-{self.view.offset + shown:,} of {len(self.offices):,}"
        parts = [f"condition: {self.view.condition}"] if self.view.condition else []
        parts += [f"search: {self.view.search_text}"] if self.view.search_text else []
        return f" {'   '.join([position, *parts, KEY_HELP])}".ljust(self.width)


def _format_hosts(fleet: FleetOverviewDocument) -> str:
    """The hosts and how many offices each has: "a 12, b 13"."""
    return ", ".join(f"{member['host']} {member['offices']:,}" for member in fleet["members"])
