"""`top`: the fleet on one screen, as it changes, until somebody has seen enough."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

import typer
from rich.console import Console
from rich.live import Live

from oddaemon.cli.commands.status import OfficeFilter, sort_worst_first
from oddaemon.cli.output.exit import ExitStatus
from oddaemon.cli.sources.config_file import find_config
from oddaemon.cli.sources.fleet import FleetReport, load_fleet
from oddaemon.cli.top.keyboard import keyboard
from oddaemon.cli.top.screen import TopScreen, ViewState, count_visible_rows
from oddaemon.core.reporting.status_document import OfficeDocument

RATE_WINDOW_SECONDS = 15.0
"""The rate of requests is that of so long."""


def show_top(config: Path | None, office_filter: OfficeFilter, refresh_seconds: float) -> None:
    """Show the fleet until q or Ctrl-C; where the output is no terminal, once."""
    config_path, console = find_config(config), Console()
    model = TopModel(office_filter)
    model.update(load_fleet(config_path, datetime.now(UTC)), monotonic())
    if not console.is_terminal or console.is_dumb_terminal:
        console.print(model.make_screen(console.width, None, datetime.now(UTC)))
        return
    try:
        with keyboard() as keys, Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                deadline = monotonic() + refresh_seconds
                live.update(model.make_screen(*console.size, datetime.now(UTC)), refresh=True)
                while (key := keys.read_key(deadline - monotonic())) is not None:
                    if not model.handle_key(key, console.height):
                        return
                    live.update(model.make_screen(*console.size, datetime.now(UTC)), refresh=True)
                model.update(load_fleet(config_path, datetime.now(UTC)), monotonic())
    except KeyboardInterrupt:
        raise typer.Exit(ExitStatus.DONE) from None


@dataclass(slots=True)
class TopModel:
    """What is shown, and how somebody wants to see it."""

    office_filter: OfficeFilter
    view: ViewState = field(default_factory=ViewState)
    _report: FleetReport | None = None
    _requests: deque[tuple[float, int]] = field(default_factory=deque)
    """How many there were when, by the monotonic clock."""

    def update(self, report: FleetReport, at: float) -> None:
        """A new picture of the fleet, seen at this moment of the monotonic clock."""
        self._report = report
        daemon = report.document["daemon"]
        if daemon is None or (self._requests and daemon["requests"] < self._requests[-1][1]):
            # Another process counts anew.
            self._requests.clear()
        if daemon is not None:
            self._requests.append((at, daemon["requests"]))
        while self._requests and at - self._requests[0][0] > RATE_WINDOW_SECONDS:
            self._requests.popleft()

    def handle_key(self, key: str, height: int) -> bool:
        """A key was pressed; False: it was enough."""
        view = self.view
        match key:
            case _ if view.is_typing:
                view.edit_search(key)
            case "escape":
                view.clear_filters()
            case "q" | "Q":
                return False
            case "c":
                view.cycle_condition({office["condition"] for office in self._get_selected()})
            case "/":
                view.start_search()
        view.scroll(key if not view.is_typing else "", count_visible_rows(height), len(self.get_visible_offices()))
        return True

    def _get_selected(self) -> Sequence[OfficeDocument]:
        assert self._report is not None, "it was seen"
        return self.office_filter.apply(self._report.document)["offices"]

    def get_visible_offices(self) -> Sequence[OfficeDocument]:
        """Those that are to be seen, the worst first."""
        return [office for office in sort_worst_first(self._get_selected()) if self.view.matches(office)]

    def make_screen(self, width: int, height: int | None, now: datetime) -> TopScreen:
        """All of it, drawn when it is printed; without a height, every office."""
        assert self._report is not None, "it was seen"
        fleet = self.office_filter.apply(self._report.document)
        return TopScreen(
            fleet, self._report.remark, self.get_visible_offices(), self.view, self._compute_rate(), width, height, now
        )

    def _compute_rate(self) -> float | None:
        """Requests a second; None: not known yet."""
        if len(self._requests) < 2:  # noqa: PLR2004 - a rate is between two moments
            return None
        (started, first), (ended, last) = self._requests[0], self._requests[-1]
        return (last - first) / (ended - started) if ended > started else None
