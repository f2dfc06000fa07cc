"""`top`: the fleet live on one screen."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from oddaemon.admin.inspection import FleetDocument
from oddaemon.cli.args.office_filter import Conditions, Labels, OfficeFilter
from oddaemon.cli.args.options import Config
from oddaemon.cli.lazy_command import format_examples
from oddaemon.cli.output.exit import ExitStatus
from oddaemon.cli.output.fleet_table import sort_worst_first
from oddaemon.cli.sources.config_file import find_config
from oddaemon.cli.sources.fleet import SourcedDocument, load_fleet
from oddaemon.cli.top.keyboard import keyboard
from oddaemon.cli.top.screen import TopScreen, ViewState, count_visible_rows
from oddaemon.core.reporting.status_document import OfficeDocument

RATE_WINDOW_SECONDS = 15.0
"""Over which the rate of requests is measured."""

app = typer.Typer()


@app.command(
    epilog=format_examples("oddaemon top", "oddaemon top --condition late --condition blocked --refresh-seconds 5")
)
def top(
    *,
    config: Config = None,
    refresh_seconds: Annotated[
        float, typer.Option("--refresh-seconds", "-d", min=0.1, max=3600, help="Interval between two updates.")
    ] = 2.0,
    condition: Conditions = None,
    label: Labels = None,
) -> None:
    """Keys: q or Ctrl-C quits, arrows and PgUp/PgDn scroll, c selects the next
    condition, / searches, Esc shows all offices again.

    Without a terminal, the screen is written once.
    """
    config_path, console = find_config(config), Console()
    model = TopModel(OfficeFilter.from_options(condition, label))
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
    """What is shown, and the view that the user chose."""

    office_filter: OfficeFilter
    view: ViewState = field(default_factory=ViewState)
    _report: SourcedDocument[FleetDocument] | None = None
    _requests: deque[tuple[float, int]] = field(default_factory=deque)
    """Monotonic time and total of each update."""

    def update(self, report: SourcedDocument[FleetDocument], at: float) -> None:
        """Take in the fleet as it is at this monotonic time."""
        self._report = report
        daemon = report.document["daemon"]
        if daemon is None or (self._requests and daemon["requests"] < self._requests[-1][1]):
            # Another process counts from zero.
            self._requests.clear()
        if daemon is not None:
            self._requests.append((at, daemon["requests"]))
        while self._requests and at - self._requests[0][0] > RATE_WINDOW_SECONDS:
            self._requests.popleft()

    def handle_key(self, key: str, height: int) -> bool:
        """Apply a key; False: quit."""
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
        assert self._report is not None, "update comes first"
        return self.office_filter.apply(self._report.document)["offices"]

    def get_visible_offices(self) -> Sequence[OfficeDocument]:
        """The offices in view, worst first."""
        return [office for office in sort_worst_first(self._get_selected()) if self.view.matches(office)]

    def make_screen(self, width: int, height: int | None, now: datetime) -> TopScreen:
        """The screen; without a height it has every office."""
        assert self._report is not None, "update comes first"
        fleet = self.office_filter.apply(self._report.document)
        return TopScreen(
            fleet, self._report.remark, self.get_visible_offices(), self.view, self._compute_rate(), width, height, now
        )

    def _compute_rate(self) -> float | None:
        """Requests per second; None: not known yet."""
        if len(self._requests) < 2:  # noqa: PLR2004 - a rate needs two updates
            return None
        (started, first), (ended, last) = self._requests[0], self._requests[-1]
        return (last - first) / (ended - started) if ended > started else None
