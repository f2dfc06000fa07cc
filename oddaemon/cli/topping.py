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

from oddaemon.cli.configuration import find
from oddaemon.cli.exit_status import ExitStatus
from oddaemon.cli.fleet import Told, fleet_told
from oddaemon.cli.keyboard import keyboard
from oddaemon.cli.screen import Screen, View, rows_shown
from oddaemon.cli.status import Selection, worst_first
from oddaemon.core.status import OfficeDocument

RATE_SECONDS = 15.0
"""The rate of requests is that of so long."""


def show_top(config: Path | None, selection: Selection, refresh_seconds: float) -> None:
    """Show the fleet until q or Ctrl-C; where the output is no terminal, once."""
    place, console = find(config), Console()
    top = Top(selection)
    top.see(fleet_told(place, datetime.now(UTC)), monotonic())
    if not console.is_terminal or console.is_dumb_terminal:
        console.print(top.screen(console.width, None, datetime.now(UTC)))
        return
    try:
        with keyboard() as keys, Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                deadline = monotonic() + refresh_seconds
                live.update(top.screen(*console.size, datetime.now(UTC)), refresh=True)
                while (key := keys.next(deadline - monotonic())) is not None:
                    if not top.press(key, console.height):
                        return
                    live.update(top.screen(*console.size, datetime.now(UTC)), refresh=True)
                top.see(fleet_told(place, datetime.now(UTC)), monotonic())
    except KeyboardInterrupt:
        raise typer.Exit(ExitStatus.DONE) from None


@dataclass(slots=True)
class Top:
    """What is shown, and how somebody wants to see it."""

    selection: Selection
    view: View = field(default_factory=View)
    _told: Told | None = None
    _requests: deque[tuple[float, int]] = field(default_factory=deque)
    """How many there were when, by the monotonic clock."""

    def see(self, told: Told, at: float) -> None:
        """A new picture of the fleet, seen at this moment of the monotonic clock."""
        self._told = told
        daemon = told.document["daemon"]
        if daemon is None or (self._requests and daemon["requests"] < self._requests[-1][1]):
            # Another process counts anew.
            self._requests.clear()
        if daemon is not None:
            self._requests.append((at, daemon["requests"]))
        while self._requests and at - self._requests[0][0] > RATE_SECONDS:
            self._requests.popleft()

    def press(self, key: str, height: int) -> bool:
        """A key was pressed; False: it was enough."""
        view = self.view
        match key:
            case _ if view.typing:
                view.type(key)
            case "escape":
                view.widen()
            case "q" | "Q":
                return False
            case "c":
                view.turn_condition({office["condition"] for office in self._chosen()})
            case "/":
                view.begin_typing()
        view.scroll(key if not view.typing else "", rows_shown(height), len(self.offices()))
        return True

    def _chosen(self) -> Sequence[OfficeDocument]:
        assert self._told is not None, "it was seen"
        return self.selection.of(self._told.document)["offices"]

    def offices(self) -> Sequence[OfficeDocument]:
        """Those that are to be seen, the worst first."""
        return [office for office in worst_first(self._chosen()) if self.view.takes(office)]

    def screen(self, width: int, height: int | None, now: datetime) -> Screen:
        """All of it, drawn when it is printed; without a height, every office."""
        assert self._told is not None, "it was seen"
        fleet = self.selection.of(self._told.document)
        return Screen(fleet, self._told.remark, self.offices(), self.view, self._rate(), width, height, now)

    def _rate(self) -> float | None:
        """Requests a second; None: not known yet."""
        if len(self._requests) < 2:  # noqa: PLR2004 - a rate is between two moments
            return None
        (began, first), (ended, last) = self._requests[0], self._requests[-1]
        return (last - first) / (ended - began) if ended > began else None
